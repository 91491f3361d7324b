"""Lines that link regions of pictures side by side."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Links(anywidget.AnyWidget):
    """Lines over the HeatViews in the same box, from the first to the others.

    A link is a dict of ``parts`` (ids without spaces), ``view`` (its end, from 1), ``start`` and ``end``
    (x, y in fractions of the pictures), ``strength`` 0…1 and, optionally, ``always``: whether it is drawn
    also while none of its parts is ``marked``. Lines of the ``kind`` matches are straight, have their own
    colour, and are shown between any number of pictures.
    """

    _esm = _STATIC / "links.js"
    _css = _STATIC / "explanation.css"
    kind = T.Enum(["pairs", "matches"], "pairs").tag(sync=True)
    links = T.List(T.Dict()).tag(sync=True)
    marked = T.Unicode().tag(sync=True)
    stale = T.Bool(False).tag(sync=True)
