"""Values over the epochs of a training, drawn as they come."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Curve(anywidget.AnyWidget):
    """Lines over epochs, with a point at each. A line is a dict of ``name``, ``x`` and ``y`` (lists).

    Over something else, ``x`` is what it is called, and ``names`` are those of the places 0, 1, ….

    ``last`` is the epoch where the axis ends, ``kept`` the one that is marked (-1: none). Arrow keys walk
    the epochs; their values are shown and read aloud. All names are shown as text.
    """

    _esm = _STATIC / "curve.js"
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("curve", "training"))
    label = T.Unicode().tag(sync=True)  # for screen readers
    x = T.Unicode("epoch").tag(sync=True)
    y = T.Unicode().tag(sync=True)
    names = T.List(T.Unicode()).tag(sync=True)
    lines = T.List(T.Dict()).tag(sync=True)
    last = T.Int(1).tag(sync=True)
    kept = T.Int(-1).tag(sync=True)
    digits = T.Int(2).tag(sync=True)  # behind the point, of the values
    empty = T.Unicode().tag(sync=True)  # what comes here, shown where there is no point
