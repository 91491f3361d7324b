"""Tables of results, whose text shows control characters of names escaped."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from workbench.config.printable import printable


class Table(pd.DataFrame):
    """A DataFrame that is shown with control characters escaped (see ``printable``); its values are as read.

    Selections and copies of it are tables too; a single column is a plain Series.
    """

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table

    def __repr__(self) -> str:
        return printable(super().__repr__(), keep="\n")

    def _repr_html_(self) -> str | None:
        html = super()._repr_html_()  # type: ignore[misc]  # pandas-stubs leaves it out
        return None if html is None else printable(html, keep="\n")
