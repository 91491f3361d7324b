"""Bars side by side, one of them chosen."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

from workbench.panels.widgets.dimmed import Dimmed

_STATIC = Path(__file__).parents[1] / "static"


class Bars(Dimmed, anywidget.AnyWidget):
    """Counts as bars with texts. The first ``solid`` bars are filled; ``even`` is a horizontal line."""

    _esm = _STATIC / "bars.js"
    _css = _STATIC / "bars.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    values = T.List(T.Int()).tag(sync=True)
    texts = T.List(T.Unicode()).tag(sync=True)
    solid = T.Int(0).tag(sync=True)
    even = T.Float(0.0).tag(sync=True)
    current = T.Int(0).tag(sync=True)
