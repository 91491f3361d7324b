"""A bar between two parts of the screen, dragged to resize them."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Splitter(anywidget.AnyWidget):
    """A separator that sets ``variable``, a CSS property of the box around it, to ``size`` pixels.

    ``measured`` is the neighbour whose size it is: the part ``before`` the bar (left of it, or above) or
    ``after`` it. A size of 0 is the size that the style sheet gives; a double click or Home returns to it.
    """

    _esm = _STATIC / "splitter.js"
    _css = _STATIC / "splitter.css"
    label = T.Unicode().tag(sync=True)
    variable = T.Unicode().tag(sync=True)
    measured = T.Enum(["before", "after"]).tag(sync=True)
    vertical = T.Bool(True).tag(sync=True)  # whether the bar is vertical, between columns
    least = T.Int(120).tag(sync=True)  # pixels
    size = T.Int(0).tag(sync=True)  # pixels
