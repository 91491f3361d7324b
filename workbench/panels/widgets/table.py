"""A table with sortable headings and rows that can be picked; all contents are text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.config.printable import printable
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"


class Table(Dimmed, anywidget.AnyWidget):
    """Rows under sortable headings, by mouse and keyboard; a click or Enter picks a row.

    A column is a dict of ``key``, ``title`` and, optionally, ``number`` (right-aligned), ``code``
    (monospaced, such as a pipeline) and ``hint`` (shown on hovering the heading). A row is a dict of
    ``id``, ``cells`` ({key: text}) and, for columns that are not sorted as text, ``order`` ({key: number};
    a row without the key comes last); it may have ``titles`` ({key: text shown on hovering}), ``strong``
    (keys of emphasised cells) and ``said`` (a sentence in place of the empty cells on its right).
    ``chosen`` are the ids of marked rows.
    """

    _esm = dimmed_module("table")
    _css = _STATIC / "table.css"
    columns = T.List(T.Dict()).tag(sync=True)
    rows = T.List(T.Dict()).tag(sync=True)
    chosen = T.List(T.Unicode()).tag(sync=True)
    label = T.Unicode().tag(sync=True)  # for screen readers
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no row

    @T.validate("rows")
    def _printable(self, proposal: Any) -> list[dict[str, Any]]:
        """Escape control characters in the texts of rows; their ids stay."""
        return [
            {**row, "cells": {key: printable(text) for key, text in row["cells"].items()}}
            for row in proposal["value"]
        ]

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the row that was picked."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["pick"])))


def column(key: str, title: str, number: bool = False, hint: str = "", code: bool = False) -> dict[str, Any]:
    """A column of a Table."""
    return {"key": key, "title": title, "number": number, "hint": hint, "code": code}
