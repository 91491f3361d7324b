"""Parts of the screen with bars to drag between them."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.panels.arrangement import arrangement, keep
from workbench.panels.session import Session
from workbench.panels.widgets.splitter import Splitter


def columns(session: Session, query: W.Widget, results: W.Widget, side: W.Widget | None = None) -> W.Box:
    """Query, results and, if given, tabs beside each other, with bars to drag between them."""
    parts = [query, _splitter(session, "Width of the query", "--wb-query", "before"), results]
    if side is not None:
        parts += [_splitter(session, "Width of the tabs", "--wb-side", "after", least=240), side]
    box = W.Box(parts)
    box.add_class("wb-columns")
    return box


def rows(session: Session, columns: W.Widget, below: W.Widget) -> W.Box:
    """The columns, and the tabs below them."""
    bar = _splitter(session, "Height of the results", "--wb-columns", "before", least=200, vertical=False)
    box = W.Box([columns, bar, below])
    box.add_class("wb-rows")
    return box


def _splitter(session: Session, label: str, variable: str, measured: str, **traits: Any) -> Splitter:
    cache = session.bench.options.cache
    kept = arrangement(cache).get(label, 0)
    splitter = Splitter(label=label, variable=variable, measured=measured, size=kept, **traits)
    splitter.observe(session.guard(lambda change: keep(cache, label, change["new"])), "size")
    return splitter
