"""A table of any number of rows, of which the browser gets one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import traitlets as T

from workbench.panels.widgets.table import Table

PAGE = 200  # rows in the browser
Row = dict[str, Any]


class LongTable(Table):
    """A Table that shows a frame. Up to PAGE rows it is a Table; more are sorted in the kernel and paged."""

    total = T.Int(0).tag(sync=True)  # number of all rows; 0: those of ``rows``
    first = T.Int(0).tag(sync=True)  # number of the first row of the page
    sort = T.Dict().tag(sync=True)  # how all rows are sorted: ``key`` and ``down``

    def __init__(self, **traits: Any) -> None:
        self._frame, self._row = pd.DataFrame(), _no_row
        self._order = np.zeros(0, np.int64)
        super().__init__(**traits)
        self._on("sort", lambda sort: self._sort(str(sort["key"]), bool(sort["down"])))
        self._on("page", lambda first: self._turn(int(first)))

    def show(self, frame: pd.DataFrame, row: Callable[..., Row]) -> None:
        """Show the rows of a frame, which ``row`` makes of its values. Its first column has the ids, and the
        table is sorted by the column of the frame that has the key of the heading."""
        self._frame, self._row, self._order = frame, row, np.arange(len(frame))
        with self.hold_sync():  # one message
            self.total, self.sort = len(frame) if len(frame) > PAGE else 0, {}
            self._turn(0)
            self._reveal()

    @T.observe("chosen")
    def _reveal(self, _: object = None) -> None:
        """Turn to the page of the first chosen row."""
        if self.total and self.chosen:
            place = np.flatnonzero(self._frame.iloc[self._order, 0].to_numpy() == self.chosen[0])
            if len(place) and not self.first <= place[0] < self.first + PAGE:
                self._turn(int(place[0]))

    def _sort(self, key: str, down: bool) -> None:
        if key in self._frame and self.total:
            order = self._frame[key].reset_index(drop=True).sort_values(ascending=not down, kind="stable")
            self._order = order.index.to_numpy()
            with self.hold_sync():
                self.sort = {"key": key, "down": down}
                self._turn(0)

    def _turn(self, number: int) -> None:
        """Show the page with the row of that number."""
        first = max(0, min(number, len(self._frame) - 1)) // PAGE * PAGE
        rows = self._frame.iloc[self._order[first : first + PAGE]]
        with self.hold_sync():
            self.first = first
            self.rows = [self._row(*values) for values in rows.itertuples(index=False, name=None)]


def _no_row(*values: Any) -> Row:
    raise AssertionError("no frame is shown")
