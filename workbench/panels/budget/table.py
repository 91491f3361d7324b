"""The ways of querying as a table and as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from workbench.analysis.budget import COLLECTIONS, JPEGS, Budget
from workbench.collections.collection import Collection
from workbench.evaluation.measures_text import percent
from workbench.figures.budget import in_units
from workbench.panels.formatting import about, plural
from workbench.panels.widgets.long_table import Row
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

SECONDS = {"itq": 5.0, "sh:": 1.0, "": 0.5}  # to learn a code, by its kind
SECONDS_PER_PICTURE = 0.05  # from a file in JPEG to its vector, of 512 pixels
DEFAULT = ("pq", "pq", "itq", "itq", "sh:", "sh:")  # the codes where none is written
REASONS = 3  # codes that cannot be had, each with its reason

COLUMNS = [
    column("asking", "Way of querying", frozen=True),
    column("bytes_up", "Sent", True, "Mean bytes that a query sends"),
    *(
        column(f"phone_{count}", f"Held, {count:,}", True, f"On the phone, with {count:,} images")
        for count in COLLECTIONS
    ),
    column("milliseconds", "ms", True, "Work of the phone for a query, on one thread of this machine"),
    column("mean_ap", "mAP", True, "Percent, without re-ranking", words=["mAP"]),
    column("low", "95 % interval", True, "Of the mAP over the queries, in percent"),
]
BYTES = ("bytes_up", *(f"phone_{count}" for count in COLLECTIONS))


def shown(budget: Budget) -> tuple[pd.DataFrame, Callable[..., Row]]:
    """The frame of a LongTable, and the function that makes its rows."""
    frame = budget.table
    frame.insert(0, "asking", frame.pop("way") + ", " + frame.pop("detail"))
    names = list(map(str, frame))
    return frame, lambda *values: _row(dict(zip(names, values, strict=True)))


def _row(way: dict[str, Any]) -> Row:
    """A row of the table."""
    cells = {
        "asking": way["asking"],
        **{name: in_units(way[name]) if way[name] else "–" for name in BYTES},
        "milliseconds": f"{way['milliseconds']:,.3g}",
        "mean_ap": percent(way["mean_ap"]),
        "low": f"{percent(way['low'])} … {percent(way['high'])}" if not math.isnan(way["low"]) else "–",
    }
    numbers = (*BYTES, "milliseconds", "mean_ap", "low")
    order = {name: float(way[name]) for name in numbers if not math.isnan(way[name])}
    return {"id": way["asking"], "cells": cells, "order": order}


def lines(budget: Budget | None, stale: bool, collection: Collection, codes: Sequence[str]) -> list[Line]:
    """What the button measures and how long that takes, or what the numbers are of."""
    if collection.protocol is None:
        text = "Needs ground truth, which this collection does not have: the ways are compared by their mAP."
        return [line(text, "note")]
    if stale and budget is not None:
        text = f"Measured for {budget.pipeline}. Measure starts again for the pipeline now."
        return [line(text, "warning")]
    if budget is None:
        learned = sum(
            next(SECONDS[kind] for kind in SECONDS if code.startswith(kind)) for code in codes or DEFAULT
        )
        pictures = len(collection.queries) * len(JPEGS)
        text = (
            f"Measure: {plural(len(JPEGS), 'size')} of JPEG files, vectors in 3 precisions, "
            f"{plural(len(codes or DEFAULT), 'code')} sent or held, for "
            f"{plural(len(collection.queries), 'query', 'queries')}, "
            f"{about(learned + SECONDS_PER_PICTURE * pictures)}."
        )
        return [line(text, "note", "phone budget")]
    text = (
        f"{plural(budget.images, 'image')}, {plural(budget.queries, 'query', 'queries')}, without index and "
        "re-ranking. Held are the network in half precision, codebooks, and the codes of the collection."
    )
    reasons = list(budget.left_out.items())[:REASONS]
    more = len(budget.left_out) - len(reasons)
    return [
        line(text, "note", "phone budget"),
        *(line(f"{code} is not possible here: {reason}", "warning") for code, reason in reasons),
        *([line(f"{plural(more, 'more code', 'more codes')} not possible here", "warning")] if more else []),
    ]
