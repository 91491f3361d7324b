"""A stored run, and a row of the database as a run, whose values may be damaged."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from workbench.common.tables import Table
from workbench.common.text import parse_json

LISTED = ("id", "time", "collection", "pipeline", "protocol", "mean_ap", "seconds", "seed", "fingerprint")
COLUMNS = (*LISTED, "metrics", "per_query", "provenance", "warnings")


@dataclass(frozen=True)
class Run:
    """A stored evaluation. ``time`` is that of the last evaluation (UTC); ``seconds`` the duration of the
    longest, because a later one reads from the cache; ``fingerprint`` is that of the collection. ``root`` is
    the collection's folder; empty for runs of versions before 0.2, which did not store it."""

    id: str
    time: str
    collection: str
    pipeline: str
    protocol: str
    mean_ap: float
    seconds: float
    seed: int
    fingerprint: str
    metrics: dict[str, float] = field(repr=False)
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str] = field(repr=False)
    root: str = field(default="", repr=False)


def listed(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """A row of the database as a row of the table; None if a value is damaged."""
    name, time, collection, pipeline, protocol, mean_ap, seconds, seed, fingerprint = row
    texts = (name, time, collection, pipeline, protocol, fingerprint)
    try:
        datetime.fromisoformat(time).astimezone()
        numbers = float("nan" if mean_ap is None else mean_ap), float(seconds), int(seed)
        valid = math.isfinite(numbers[1]) and abs(numbers[2]) < 2**63
        valid = valid and all(isinstance(text, str) for text in texts)
    except (ValueError, TypeError, OverflowError):
        return None
    return (*texts[:5], *numbers, fingerprint) if valid else None


def parsed(row: dict[str, Any]) -> Run:
    """A row of the database as a run. Raises ValueError, TypeError or KeyError if a value is damaged."""
    first = listed(tuple(row[column] for column in LISTED))
    if first is None:
        raise ValueError
    values = {column: parse_json(row[column]) for column in COLUMNS if column not in LISTED}
    metrics, provenance = dict(values["metrics"]), dict(values["provenance"])
    per_query = Table(values["per_query"])
    per_query["ap"] = per_query["ap"].astype(float)
    per_query["query"] = per_query["query"].astype(object)
    if "first_positive" in per_query:
        per_query["first_positive"] = per_query["first_positive"].astype("Int64")
    return Run(
        **dict(zip(LISTED, first, strict=True)),
        metrics={name: float("nan" if value is None else value) for name, value in metrics.items()},
        per_query=per_query,
        provenance=provenance,
        warnings=[str(warning) for warning in values["warnings"]],
        root=str(provenance.pop("root", "")),
    )
