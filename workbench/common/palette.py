"""The colours of charts and of marks on pictures, in either theme."""

from __future__ import annotations

# Colours that colour-blind people tell apart as well (20 or more apart in L*a*b*, the first four 30 or more),
# with a contrast of 3:1 or more on the grounds of both themes, so that a figure keeps them in either.
PALETTE = ("#2484c0", "#c06c0c", "#007854", "#840cfc", "#b41890", "#9c9054", "#7878fc", "#b4849c")
NEUTRAL = "#808080"
POSITIVE, NEGATIVE, JUNK = PALETTE[2], PALETTE[1], NEUTRAL
