"""Binary codes, bit by bit, below the query's."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as T

from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"


class Bits(Dimmed, anywidget.AnyWidget):
    """A line for each code; the first is the query's, to which the others are compared.

    ``codes`` are the bytes of all codes, one after another. A row is a dict of ``rank``, ``name``, ``text``
    (the distance), ``said`` (a description for screen readers) and, optionally, ``sign`` and ``relevance``;
    all are shown as text. Set ``codes`` before ``rows``, or both in one message.
    """

    _esm = dimmed_module("bits")
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("bits", "tradeoff"))
    label = T.Unicode().tag(sync=True)  # for screen readers
    codes = T.Bytes().tag(sync=True)
    rows = T.List(T.Dict()).tag(sync=True)
