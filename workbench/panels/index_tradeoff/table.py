"""The measures of indexes as a table, as points over two axes, and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from workbench.analysis.index_tradeoff import DEPTHS, IndexMeasures, Tradeoff, pareto_front
from workbench.panels.formatting import percent
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

LEAST_SECONDS = 1e-3  # of build time: the smallest value on the logarithmic axis


class Axis(NamedTuple):
    """A quantity: its title, whether its scale is logarithmic, whether more is better, its maximum."""

    title: str
    log: bool
    more: bool
    most: float | None = None


AXES = {
    "recall@1": Axis("recall@1, percent", False, True, 100),
    "recall@10": Axis("recall@10, percent", False, True, 100),
    "recall@100": Axis("recall@100, percent", False, True, 100),
    "mAP lost": Axis("mAP lost, points", False, False),
    "bytes an image": Axis("bytes an image", True, False),
    "queries a second": Axis("queries a second", True, True),
    "build time": Axis("build time, seconds", True, False),
}


def value(measured: IndexMeasures, axis: str) -> float:
    """A measure in the units of that axis; nan if it was not measured."""
    if axis.startswith("recall@"):
        return 100 * measured.recall[int(axis.partition("@")[2])]
    return {
        "mAP lost": 100 * measured.lost,
        "bytes an image": measured.bytes,
        "queries a second": measured.queries_per_second,
        "build time": max(measured.build_seconds, LEAST_SECONDS),
    }[axis]


def described(measured: IndexMeasures, axis: str) -> str:
    """A measure with its name and unit."""
    number = value(measured, axis)
    if axis.startswith("recall@"):
        return f"{axis} {number:.1f} %"
    return {
        "mAP lost": f"{signed(measured.lost)} points of mAP lost",
        "bytes an image": f"{number:,.0f} bytes an image",
        "queries a second": f"{number:,.0f} queries a second",
        "build time": f"built in {seconds(measured.build_seconds)} s",
    }[axis]


def signed(share: float) -> str:
    """Points lost with one digit; a gain has a minus."""
    return percent(share if abs(share) >= 5e-4 else 0.0).replace("-", "−")


def seconds(time: float) -> str:
    """A time in seconds with the digits that matter."""
    return (
        "–"
        if math.isnan(time)
        else "< 0.01"
        if time < 0.005
        else f"{time:.2f}"
        if time < 10
        else f"{time:,.0f}"
    )


def columns(has_truth: bool) -> list[dict[str, Any]]:
    """The headings of the table; mAP only with ground truth."""
    recall = [
        column(
            f"recall@{k}",
            f"recall@{k}",
            True,
            f"Percent of the first {k} images of exact search among the first {k} of the index",
        )
        for k in DEPTHS
    ]
    truth = [
        column("map", "mAP", True, "Percent, without re-ranking"),
        column("lost", "mAP lost", True, "Points, compared with exact search"),
    ]
    return [
        column("index", "Index", code=True),
        *recall,
        *(truth if has_truth else []),
        column("bytes", "Bytes/image", True, "In memory, without the parts that all images share"),
        column("shared", "Shared KB", True, "Centroids, codebooks and rotations, shared by all images"),
        column("speed", "Queries/s", True, "From the median time of a single search for the first 100"),
        column("build", "Build s", True, "Training and filling"),
    ]


def row(name: str, measured: IndexMeasures) -> dict[str, Any]:
    """A row of the table; an index that could not be measured has a sentence in place of numbers."""
    if measured.error:
        return {"id": name, "cells": {"index": measured.index}, "said": measured.error}
    order = {
        **{f"recall@{k}": share for k, share in measured.recall.items()},
        "map": measured.mean_ap,
        "lost": measured.lost,
        "bytes": measured.bytes,
        "shared": measured.shared_bytes,
        "speed": measured.queries_per_second,
        "build": measured.build_seconds,
    }
    cells = {
        "index": measured.index,
        **{f"recall@{k}": percent(share) for k, share in measured.recall.items()},
        "map": percent(measured.mean_ap),
        "lost": signed(measured.lost),
        "bytes": f"{measured.bytes:,.0f}",
        "shared": f"{measured.shared_bytes / 1024:,.0f}",
        "speed": f"{measured.queries_per_second:,.0f}",
        "build": seconds(measured.build_seconds),
    }
    return {"id": name, "cells": cells, "order": {k: v for k, v in order.items() if not math.isnan(v)}}


def points(rows: Mapping[str, IndexMeasures], x: str, y: str) -> list[dict[str, Any]]:
    """The points of the indexes that have both measures."""
    valid = {
        name: measured
        for name, measured in rows.items()
        if not measured.error and all(math.isfinite(value(measured, axis)) for axis in (x, y))
    }
    places = [(value(measured, x), value(measured, y)) for measured in valid.values()]
    on_front = pareto_front(places, (AXES[x].more, AXES[y].more))
    return [
        {
            "id": name,
            "label": measured.index,
            "x": place[0],
            "y": place[1],
            "front": best,
            "said": f"{measured.index}: {described(measured, y)}, {described(measured, x)}"
            + ("; on the Pareto front" if best else "; another beats it"),
        }
        for (name, measured), place, best in zip(valid.items(), places, on_front, strict=True)
    ]


def trail(probed: Sequence[IndexMeasures], x: str, y: str) -> list[dict[str, float]]:
    """The points of one index at several probes, in order."""
    return [{"x": value(row, x), "y": value(row, y)} for row in probed if not row.error]


def front_in_words(points: Sequence[Mapping[str, Any]], x: str, y: str) -> str:
    """The indexes on the Pareto front; empty if there is none."""
    best = [point["label"] for point in sorted(points, key=lambda point: point["x"]) if point["front"]]
    if not best:
        return ""
    return f"Pareto front of {y} over {x}, which nothing beats: {' · '.join(best)}"


def note(tradeoff: Tradeoff | None, stale: bool, has_truth: bool) -> list[Line]:
    """How the numbers were measured; a warning if they belong to another description."""
    if stale and tradeoff is not None:
        text = f"Measured for {tradeoff.described.config}. Measure starts again for the pipeline now."
        return [line(text, "warning")]
    text = "Recall@k: percent of the first k images of exact search that are among the first k of the index."
    if tradeoff is None:
        return [line(text, "note")]
    images, queries = len(tradeoff.database), len(tradeoff.queries)
    truth = "mAP without re-ranking. " if has_truth else ""
    text += f" {truth}{images:,} images, {queries:,} queries, each timed alone, its own image left out."
    return [line(text, "note")]
