"""Binary codes bit by bit, beside the query's."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Bits(anywidget.AnyWidget):
    """A line for each code; the first is the query's, with which the others are compared.

    ``codes`` are their bytes, one code after another. A row is a dict of ``rank``, ``name``, ``text`` (the
    distance), ``said`` (the picture in words) and, where they apply, ``sign`` and ``relevance``; all of it
    is shown as text. Set ``codes`` before ``rows``, or both in one message.
    """

    _esm = _STATIC / "bits.js"
    _css = _STATIC / "bits.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    codes = T.Bytes().tag(sync=True)
    rows = T.List(T.Dict()).tag(sync=True)
