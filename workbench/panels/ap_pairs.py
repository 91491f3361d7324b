"""The AP of each query under two pipelines, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.evaluation.comparison import query_aps
from workbench.evaluation.measures_text import percent
from workbench.panels.widgets.table import column

if TYPE_CHECKING:
    from workbench.engine.evaluate import Evaluation


def columns(a: str, b: str, gain: str) -> list[dict[str, Any]]:
    """The columns of the table, with their headings."""
    return [
        column("query", "Query"),
        column("a", a, True, "In percent"),
        column("b", b, True, "In percent"),
        column("gain", gain, True, "In points"),
    ]


def paired(a: Evaluation, b: Evaluation, setting: str = "") -> pd.DataFrame:
    """The queries that have an AP in both evaluations: query, a, b (fractions)."""
    pairs = pd.DataFrame({"a": query_aps(a, setting), "b": query_aps(b, setting)}).dropna()
    return pairs.rename_axis(index="query").reset_index()


def row(query: str, a: float, b: float, gain: float) -> dict[str, Any]:
    """A row of the table."""
    points = f"{100 * gain:+.1f}".replace("-", "−")
    cells = {"query": query, "a": percent(a), "b": percent(b), "gain": points}
    return {"id": query, "cells": cells, "order": {"a": a, "b": b, "gain": gain}}
