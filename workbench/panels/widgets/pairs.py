"""Lines that link regions of pictures side by side, and a sum drawn as a waterfall."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Links(anywidget.AnyWidget):
    """Lines over the HeatViews that stand in the same box: from the first to the others.

    A link is a dict of ``part`` (its number), ``view`` (where it leads, from 1), ``start`` and ``end``
    (x, y in fractions of the pictures) and ``strength`` 0…1. ``marked`` is the part emphasised. Of the
    ``kind`` matches they are straight, of a colour of their own, and seen between any number of pictures.
    """

    _esm = _STATIC / "links.js"
    _css = _STATIC / "explanation.css"
    kind = T.Enum(["pairs", "matches"], "pairs").tag(sync=True)
    links = T.List(T.Dict()).tag(sync=True)
    marked = T.Int(-1).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)


class Waterfall(anywidget.AnyWidget):
    """Steps that add up, a line each. A step is a dict of ``name``, ``value``, ``text`` (the value as
    it is shown) and ``whole`` (whether it is the sum so far and not a further part)."""

    _esm = _STATIC / "waterfall.js"
    _css = _STATIC / "explanation.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    steps = T.List(T.Dict()).tag(sync=True)
    marked = T.Int(-1).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)
