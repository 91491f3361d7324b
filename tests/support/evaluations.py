"""Evaluations with given APs, made without images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from workbench.engine.evaluate import Evaluation


def evaluation_of(
    pipeline: str,
    aps: Mapping[str, float] | Iterable[float],
    *,
    collection: str = "photos",
    protocol: str = "labels",
    warnings: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    curve: float | None = None,
) -> Evaluation:
    """An evaluation with these APs (of queries q0, q1 … if they have no names), as fractions.

    Under the protocol ``revisited`` the APs are those of medium, those of hard are half of them.
    ``curve`` is the precision at every recall (default: the mAP).
    """
    named = aps if isinstance(aps, Mapping) else {f"q{number}": ap for number, ap in enumerate(aps)}
    table = pd.DataFrame({"query": list(named), "ap": np.array(list(named.values()), float)})
    mean = float(table["ap"].mean())
    several = protocol == "revisited"
    scales = {"medium": 1.0, "hard": 0.5, "easy": 1.0} if several else {"": 1.0}
    for setting, scale in scales.items() if several else ():
        table[f"ap_{setting}"] = scale * table["ap"]
    judged = int(table["ap"].notna().sum())
    unjudged = {query: "it has no positive" for query, ap in named.items() if np.isnan(ap)}
    return Evaluation(
        pipeline,
        collection,
        protocol,
        mean,
        {f"mAP_{s}" if s else "mAP": scale * mean for s, scale in scales.items()} | dict(metrics or {}),
        table,
        {"collection": collection, "protocol": protocol, "judged": judged, "unjudged": unjudged},
        list(warnings),
        {s: np.full(101, scale * (mean if curve is None else curve)) for s, scale in scales.items()},
        {"bytes": 5120.0, "milliseconds": 1.25},
    )
