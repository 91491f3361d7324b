"""The data of the two charts of a comparison: AP by query under A and B, and precision over recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NAMED = 8  # curves with a colour, a dash and a name; all others are thin and grey


def columns(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """A column of the chart for each row of ``pairs``: query, a, b (fractions)."""
    return [
        {"name": str(name), "a": 100 * float(a), "b": 100 * float(b)}
        for name, a, b in pairs[["query", "a", "b"]].itertuples(index=False)
    ]


def lines(
    curves: Mapping[str, NDArray[np.float64]], a: str, b: str, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Curves [101] of pipelines, in order of mAP, as lines of the chart: A and B first."""
    first = [p for p in (a, b) if p in curves]
    order = [*first, *(p for p in curves if p not in first)]
    drawn = []
    for number, pipeline in enumerate(order):
        other = number - len(first) if number < NAMED else -1
        tone = {a: "a", b: "b"}.get(pipeline, other)
        drawn.append({"name": names[pipeline], "tone": tone, "y": (100 * curves[pipeline]).round(2).tolist()})
    return drawn
