"""A table with sortable headings and rows that can be picked; all contents are text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.config.printable import printable
from workbench.panels.glossary import Card, cards
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"


class Table(Dimmed, anywidget.AnyWidget):
    """Rows under sortable headings, by mouse and keyboard; a click or Enter picks a row.

    A column is a dict of ``key``, ``title`` and, optionally, ``number`` (right-aligned), ``code``
    (monospaced, such as a pipeline), ``hint`` (shown on hovering the heading), ``help`` (cards that explain
    its words) and ``frozen`` (stays in sight as the others scroll: the first column). A row is a dict of
    ``id``, ``cells`` ({key: text}) and, for columns that are not sorted as text, ``order`` ({key: number};
    a row without the key comes last); it may have ``titles`` ({key: text shown on hovering}), ``strong``
    (keys of emphasised cells), ``said`` (a sentence in place of the empty cells on its right), ``marks``
    ({key: a mark before the text}) and ``cards`` ({key: cards that the cell opens as a button}). ``chosen``
    are the ids of marked rows.

    The rows of an ``editable`` table can be removed (×, Delete) and moved (dragged, Alt+arrow), by buttons in
    its frozen column.
    """

    _esm = dimmed_module("element", "help", "table")
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("table", "help"))
    columns = T.List(T.Dict()).tag(sync=True)
    rows = T.List(T.Dict()).tag(sync=True)
    chosen = T.List(T.Unicode()).tag(sync=True)
    editable = T.Bool(False).tag(sync=True)
    label = T.Unicode().tag(sync=True)  # for screen readers
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no row

    @T.validate("rows")
    def _printable(self, proposal: Any) -> list[dict[str, Any]]:
        """Escape control characters in the texts of rows; their ids stay."""
        return [
            {
                **row,
                "cells": {key: printable(text) for key, text in row["cells"].items()},
                **({"cards": _printable_cards(row["cards"])} if "cards" in row else {}),
            }
            for row in proposal["value"]
        ]

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the row that was picked."""
        self._on("pick", lambda row: handler(str(row)))

    def on_remove(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the row that is to be removed."""
        self._on("remove", lambda row: handler(str(row)))

    def on_order(self, handler: Callable[[list[str]], None]) -> None:
        """Call ``handler`` with the ids of all rows in their new order, after one was moved."""
        self._on("order", lambda rows: handler([str(row) for row in rows]))

    def _on(self, name: str, handler: Callable[[Any], None]) -> None:
        self.on_msg(lambda _widget, content, _buffers: handler(content[name]) if name in content else None)


def _printable_cards(cells: dict[str, list[Card]]) -> dict[str, list[Card]]:
    return {
        key: [{part: printable(text) for part, text in card.items()} for card in cards]
        for key, cards in cells.items()
    }


def column(
    key: str,
    title: str,
    number: bool = False,
    hint: str = "",
    code: bool = False,
    words: Sequence[str] = (),
    frozen: bool = False,
) -> dict[str, Any]:
    """A column of a Table; ``words`` of the glossary explain it."""
    explained = {"help": cards(*words)} if words else {}
    about = {"key": key, "title": title, "number": number, "hint": hint, "code": code, "frozen": frozen}
    return {**about, **explained}
