"""The measures of indexes as a table and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.analysis.index_steps import probes
from workbench.analysis.index_tradeoff import DEPTHS, IndexMeasures, Tradeoff
from workbench.collections.collection import Collection
from workbench.evaluation.measures_text import percent
from workbench.figures.index_measures import AXES, points, seconds
from workbench.figures.tradeoff import front
from workbench.panels.formatting import about as about_seconds
from workbench.panels.formatting import plural
from workbench.panels.pipeline_summary import description_of
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column

SECONDS = {"itq": 10.0, "sh:": 1.0}  # to learn the codes of descriptors of 256 numbers
SECONDS_PER_IMAGE = 1e-4  # to build, time and evaluate an index


def columns(has_truth: bool) -> list[dict[str, Any]]:
    """The headings of the table; mAP only with ground truth."""
    recall = [
        column(
            f"recall@{k}",
            f"recall@{k}",
            True,
            f"Percent of the first {k} images of exact search among the first {k} of the index",
            words=["recall@k"],
        )
        for k in DEPTHS
    ]
    truth = [
        column("map", "mAP", True, "Percent, without re-ranking", words=["mAP"]),
        column("lost", "mAP lost", True, "Points, compared with exact search"),
    ]
    return [
        column("index", "Index", code=True, words=["index"], frozen=True),
        *recall,
        *(truth if has_truth else []),
        column("bytes", "Bytes/image", True, "In memory, without the parts that all images share"),
        column("shared", "Shared KB", True, "Centroids, codebooks and rotations, shared by all images"),
        column("speed", "Queries/s", True, "From the median time of a single search for the first 100"),
        column("build", "Build s", True, "Training and filling"),
    ]


def rows(
    measured: Mapping[str, IndexMeasures], waiting: Sequence[str], chosen: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of measured indexes, and of those that wait or are chosen."""
    unmeasured = {**dict.fromkeys(chosen, "not measured yet"), **dict.fromkeys(waiting, "…")}
    return [
        *(row(name, measures) for name, measures in measured.items()),
        *(
            {"id": name, "cells": {"index": name}, "said": said}
            for name, said in unmeasured.items()
            if name not in measured
        ),
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
        "lost": points(measured.lost),
        "bytes": f"{measured.bytes:,.0f}",
        "shared": f"{measured.shared_bytes / 1024:,.0f}",
        "speed": f"{measured.queries_per_second:,.0f}",
        "build": seconds(measured.build_seconds),
    }
    return {"id": name, "cells": cells, "order": {k: v for k, v in order.items() if not math.isnan(v)}}


def front_in_words(indexes: Mapping[str, IndexMeasures], x: str, y: str) -> str:
    """The indexes on the Pareto front; empty if there is none."""
    best = front(indexes, x, y)
    if not best:
        return ""
    names = f"{AXES[y].label} over {AXES[x].label}"
    return f"Pareto front of {names}, which nothing beats: {' · '.join(best)}"


def note(tradeoff: Tradeoff | None, stale: bool, has_truth: bool, index_server: str) -> list[Line]:
    """How the numbers were measured; a warning if they belong to another description."""
    if stale and tradeoff is not None:
        text = f"Measured for {tradeoff.described.config}. Measure starts again for the pipeline now."
        return [line(text, "warning")]
    text = "Recall@k: percent of the first k images of exact search that are among the first k of the index."
    if tradeoff is None:
        return [line(text, "note", "recall@k")]
    images, queries = len(tradeoff.database), len(tradeoff.queries)
    truth = "mAP without re-ranking. " if has_truth else ""
    text += f" {truth}{images:,} images, {queries:,} queries, each timed alone, its own image left out."
    if index_server:
        text += " Measured in this process by FAISS, not by the index server."
    return [line(text, "note", "recall@k")]


def to_measure(indexes: Sequence[str], collection: Collection) -> list[Line]:
    """What the button will measure, and how long that takes."""
    if not indexes:
        return []
    learned = sum(SECONDS[name] for index in indexes for name in SECONDS if name in index)
    seconds = learned + len(indexes) * (0.2 + SECONDS_PER_IMAGE * len(collection.images))
    text = f"Measure: {plural(len(indexes), 'index', 'indexes')} not measured yet, {about_seconds(seconds)}."
    return [line(text, "note")]


def about(tradeoff: Tradeoff | None, rows: Mapping[str, IndexMeasures], picked: str) -> list[Line]:
    """The picked index in words, or what to do."""
    measured = rows.get(picked)
    if measured is None or tradeoff is None:
        return [line("Pick a point or a row to see the contents of the index.", "note")] if rows else []
    if measured.error:
        return [line(measured.index, "pipeline"), line(measured.error, "error")]
    words = description_of(f"{tradeoff.described.config.description}/{measured.index}")
    steps = words.partition("approximate: ")[2]
    return [
        line(measured.index, "pipeline"),
        line(steps or "every image is compared", "note", *(("nprobe",) if probes(measured.index) else ())),
    ]
