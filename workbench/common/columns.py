"""The columns of a table of results, from which a DataFrame is made only where one is needed.

Commands print text and need no pandas, whose import takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.common.tables import Table


@dataclass(frozen=True)
class Columns:
    """Lists or arrays of equal length by the names of columns, and what is said of the whole table."""

    values: dict[str, Any]
    attrs: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def table(self) -> Table:
        """The columns as a table, with ``attrs``."""
        from workbench.common.tables import Table

        table = Table(self.values)
        table.attrs.update(self.attrs)
        return table

    def records(self) -> list[Mapping[str, Any]]:
        """The rows, as plain values of Python by the names of columns."""
        values = self.values.values()
        columns = [column.tolist() if hasattr(column, "tolist") else column for column in values]
        return [dict(zip(self.values, row, strict=True)) for row in zip(*columns, strict=True)]
