"""Values over the epochs of a training, drawn during the training."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Curve(anywidget.AnyWidget):
    """Lines over epochs, with a point at each. A line is a dict of ``name``, ``x`` and ``y`` (lists).

    ``x`` is the title of the axis; with another quantity than epochs, ``names`` are those of its positions
    0, 1, …. ``last`` is the end of the axis, ``kept`` the marked epoch (-1: none). Arrow keys move along the
    epochs; their values are shown and read aloud. All names are shown as text.
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
    digits = T.Int(2).tag(sync=True)  # of the values, after the decimal point
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no point
