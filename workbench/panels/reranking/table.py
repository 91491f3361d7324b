"""The compared re-rankers and the example pairs, as tables and as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from workbench.analysis.pair_classes import CLASSES
from workbench.analysis.reranking import NONE, Reranking
from workbench.collections.collection import Collection
from workbench.evaluation.measures_text import percent
from workbench.panels.formatting import about, plural
from workbench.panels.widgets.long_table import Row
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

SECONDS_PER_PAIR = 0.008  # to read and match two pictures of a thousand keypoints, and for each model:
SECONDS_PER_MODEL = 0.003
REASONS = 3  # methods that cannot be had, each with its reason
COLUMNS = [
    column("method", "Method", code=True, frozen=True),
    column("mean_ap", "mAP", True, "Percent", words=["mAP"]),
    column("difference", "Difference", True, "From no re-ranking, in points of mAP", words=["interval"]),
    column("low", "95 % interval", True, "Of the difference, paired by query"),
    column("milliseconds", "ms/query", True, "Re-ranking alone"),
    column("pair_milliseconds", "ms/pair", True, "Matching and fitting, median on one thread"),
    column("inlier_ratio", "Inlier ratio", True, "Inliers of the matches of verified pairs, percent"),
    column("positives", "Positives verified", True, "Among the first results, percent"),
    column("negatives", "Negatives verified", True, "Among the first results, percent"),
]
EXAMPLES = [
    column("class", "Class", frozen=True),
    column("methods", "Verified by", True, "How many of the methods that verify"),
    column("query", "Query"),
    column("image", "Image"),
]


def shown(result: Reranking) -> tuple[pd.DataFrame, Callable[..., Row]]:
    """The frame of a LongTable of methods, and the function that makes its rows."""
    frame = result.table
    names = list(map(str, frame))
    return frame, lambda *values: _row(dict(zip(names, values, strict=True)))


def _row(method: dict[str, Any]) -> Row:
    def number(name: str, form: str) -> str:
        return "–" if math.isnan(method[name]) else format(method[name], form)

    points = {name: 100 * method[name] for name in ("difference", "low", "high")}
    cells = {
        "method": method["method"],
        "mean_ap": percent(method["mean_ap"]),
        "difference": f"{points['difference']:+.1f}",
        "low": "–" if math.isnan(points["low"]) else f"{points['low']:+.1f} … {points['high']:+.1f}",
        "milliseconds": number("milliseconds", ",.3g"),
        "pair_milliseconds": number("pair_milliseconds", ".2f"),
        **{
            name: "–" if math.isnan(method[name]) else percent(method[name])
            for name in ("inlier_ratio", "positives", "negatives")
        },
    }
    if method["method"] == NONE:
        cells |= {"difference": "–", "low": "–"}
    order = {
        name: float(value)
        for name, value in method.items()
        if name not in ("method", "high") and not math.isnan(value)
    }
    return {"id": method["method"], "cells": cells, "order": order}


def examples(result: Reranking) -> list[dict[str, Any]]:
    """Two pairs of each class, as rows of a table; the id of a row is its place in ``result.examples``."""
    total = len(result.verifying)
    return [
        {
            "id": str(place),
            "cells": {
                "class": row["class"],
                "methods": f"{row['methods']} of {total}",
                "query": row["query"],
                "image": row["image"],
            },
            "order": {"methods": row["methods"]},
            "titles": {"class": CLASSES[row["class"]], "query": row["query"], "image": row["image"]},
        }
        for place, row in enumerate(result.examples.to_dict("records"))
    ]


def lines(
    result: Reranking | None, stale: bool, collection: Collection, methods: Sequence[str], queries: int
) -> list[Line]:
    """What the button measures and how long that takes, or what the numbers are of."""
    if collection.protocol is None:
        text = "Needs ground truth, which this collection does not have: the re-rankers are compared by mAP."
        return [line(text, "note")]
    if stale and result is not None:
        text = f"Measured for {result.pipeline}. Measure starts again for the pipeline now."
        return [line(text, "warning")]
    if result is None:
        verifying = sum(method.startswith("sv") for method in methods)
        queries = min(queries, len(collection.queries))
        pairs = 20 * queries + 200
        seconds = pairs * (SECONDS_PER_PAIR + verifying * SECONDS_PER_MODEL)
        text = (
            f"Measure: {plural(len(methods), 'method')} on the first results of "
            f"{plural(queries, 'query', 'queries')}, {about(seconds)} once keypoints are stored."
        )
        return [line(text, "note", "re-rankers")]
    reasons = list(result.left_out.items())[:REASONS]
    text = (
        f"{plural(len(result.queries), 'query', 'queries')}; {plural(len(result.pairs), 'pair')} with a "
        "positive are measured and verified. A pair may be of several classes. "
        "Pick a method to see what it changes."
    )
    return [
        line(text, "note", "re-rankers", "classes of pairs"),
        *(line(f"{method} is not possible here: {reason}", "warning") for method, reason in reasons),
    ]
