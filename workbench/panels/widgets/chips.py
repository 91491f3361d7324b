"""Several options of one kind, each switched on or off."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Chips(anywidget.AnyWidget):
    """A labelled row of switches; an empty option is shown as ``none``."""

    _esm = _STATIC / "chips.js"
    _css = _STATIC / "chips.css"
    label = T.Unicode().tag(sync=True)
    options = T.List(T.Unicode()).tag(sync=True)
    chosen = T.List(T.Unicode()).tag(sync=True)
