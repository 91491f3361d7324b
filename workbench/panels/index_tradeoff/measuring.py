"""What the trade-off panel asks to measure, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from workbench.analysis.index_tradeoff import IndexMeasures


@dataclass(frozen=True, eq=False)
class Request:
    """Indexes to measure over a pipeline. Two requests are never equal."""

    pipeline: str
    chosen: tuple[str, ...]


class Row(NamedTuple):
    """One measured index, by the name of its chip; ``chosen`` is the order of the table."""

    name: str
    measured: IndexMeasures
    chosen: tuple[str, ...]
