"""Sweeps, trade-offs and cells made by hand, for tests of their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

from tests.support.evaluations import evaluation_of
from workbench.analysis.ap_factors import FACTS, ApFactors
from workbench.analysis.budget import Budget, Way
from workbench.analysis.combinations import Combinations, Value
from workbench.analysis.index_tradeoff import IndexMeasures, Tradeoff
from workbench.analysis.pair_classes import CLASSES
from workbench.analysis.proposal_recall import RegionRecall
from workbench.analysis.reranking import Counts, Method, Reranking
from workbench.analysis.score_distributions import ScoreDistributions
from workbench.analysis.sweep import Sweep
from workbench.analysis.verifiers import MEASURES
from workbench.search.inspection import CellStatistics


def sweep_of(
    points: Mapping[str, Mapping[str, Value]],
    aps: Mapping[str, Sequence[float]],
    template: str = "net/gem:{p}/whole",
    left_out: Mapping[str, str] | None = None,
    collection: str = "photos",
) -> Sweep:
    """A sweep of {pipeline: values} with the APs of those that are evaluated; each P@10 is half of the AP."""
    names = list(next(iter(points.values())))
    values = {name: tuple(dict.fromkeys(point[name] for point in points.values())) for name in names}
    combined = Combinations(template, values, {p: dict(point) for p, point in points.items()}, {})
    evaluations = tuple(evaluation_of(p, aps[p], collection=collection) for p in points if p in aps)
    for evaluation in evaluations:
        evaluation.per_query["p_at_10"] = evaluation.per_query["ap"] / 2
        evaluation.metrics["mP@10"] = evaluation.mean_ap / 2
    return Sweep(combined, evaluations, dict(left_out or {}))


def measures_of(index: str, recall: float, size: float, **others: Any) -> IndexMeasures:
    """The measures of an index with this recall@10 and these bytes an image."""
    recalls = {1: recall, 10: recall, 100: recall}
    return IndexMeasures(index, recalls, bytes=size, **{"queries_per_second": 100.0, **others})


def tradeoff_of(
    measured: Sequence[IndexMeasures], collection: str = "photos", pipeline: str = "net/max/whole"
) -> Tradeoff:
    """A trade-off of 40 images and 8 queries with these measures."""
    tradeoff: Any = object.__new__(Tradeoff)
    tradeoff.measured = {measures.index: measures for measures in measured}
    tradeoff.described = SimpleNamespace(collection=SimpleNamespace(name=collection), config=pipeline)
    tradeoff.database, tradeoff.queries = np.zeros((40, 2)), np.zeros((8, 2))
    return cast(Tradeoff, tradeoff)


def recall_of(collection: str = "posters", pipeline: str = "net/max/proposals:20") -> RegionRecall:
    """The recall of 7 targets in 5 images by 1 and 20 regions."""
    shares = {"proposals": [0.5, 0.9], "moved": [0.5, 0.95], "rmac": [0.0, 0.25], "sliding": [0.0, 0.5]}
    table = RegionRecall({"regions": [1, 20], **shares})
    table.attrs |= {
        "collection": collection,
        "pipeline": pipeline,
        "iou": 0.5,
        "images": 5,
        "targets": 7,
    }
    return table


def cells_of(sizes: Sequence[int], probed: int) -> CellStatistics:
    """Cells of these sizes, of which the first ``probed`` are searched."""
    order = np.arange(len(sizes))
    return CellStatistics(order, np.array(sizes), probed, lambda cell: np.arange(sizes[cell]))


def scores_of(
    positives: Sequence[float],
    negatives: Sequence[float],
    junk: Sequence[float] = (),
    pipeline: str = "vgg16/max/whole",
    collection: str = "photos",
) -> ScoreDistributions:
    """Scores of three queries."""
    positive, negative, ignored = (np.array(values, np.float32) for values in (positives, negatives, junk))
    return ScoreDistributions(pipeline, collection, "", 3, positive, negative, ignored, len(negatives))


def factors_of(
    precision: Sequence[float] | np.ndarray,
    pipeline: str = "vgg16/max/whole",
    collection: str = "photos",
    names: Sequence[str] = (),
    **facts: Sequence[float] | np.ndarray,
) -> ApFactors:
    """Positives with these precisions, two of each query; of every second query the last is not ranked."""
    numbers = range(len(precision))
    table = pd.DataFrame(
        {
            "query": [names[0] if names else f"q{number // 2}" for number in numbers],
            "image_id": [names[1] if names else f"i{number}" for number in numbers],
            "rank": pd.array([number % 2 + 1 if number % 4 != 3 else pd.NA for number in numbers], "Int64"),
            "precision": np.array(precision, float),
            **{name: np.full(len(precision), np.nan) for name in FACTS},
            **{name: np.array(values, float) for name, values in facts.items()},
        }
    )
    table["ap"] = table.groupby("query")["precision"].transform("mean")
    return ApFactors(pipeline, collection, "", table)


def reranked(
    methods: Sequence[str],
    aps: Sequence[float] = (0.4, 0.6),
    collection: str = "photos",
    pipeline: str = "vgg16/max/whole",
    names: Sequence[str] = ("a", "b", "c", "d"),
) -> Reranking:
    """Methods that all have these APs and verify pairs of ``names``: the first one the first pair, the second
    the first two, and so on. Even pairs are planar, odd ones not, and the last has few keypoints."""
    count = len(names)
    facts = {name: np.zeros(count, bool) for name in CLASSES}
    facts["planar"] = np.arange(count) % 2 == 0
    facts["not planar"] = ~facts["planar"]
    facts["few keypoints"] = np.arange(count) == count - 1
    inliers = {name: 9 * (np.arange(count) <= place) for place, name in enumerate(methods)}
    measures = {name: np.full(count, 60.0) for name in MEASURES}
    pairs = pd.DataFrame({"query": list(names), "image": list(names), **measures, **facts, **inliers})
    verified = Counts(3, 4), Counts(1, 8)
    rows = [Method("none", np.array([0.25] * len(aps)), 0.0)]
    rows += [Method(name, np.array(aps), 20.0, 5.0, 0.5, *verified) for name in methods]
    return Reranking(collection, pipeline, 4, tuple(names[: len(aps)]), tuple(rows), pairs)


def budget_of(
    ways: Sequence[tuple[str, str, float, float]],
    aps: Sequence[float] = (0.4, 0.6),
    collection: str = "photos",
    pipeline: str = "vgg16/max/whole",
    left_out: dict[str, str] | None = None,
) -> Budget:
    """Ways of querying as (kind, detail, bytes sent, bytes held for an image), all with these APs."""
    rows = tuple(
        Way(kind, detail, sent, 1000 * (kind != "JPEG"), held, 5.0, np.array(aps))
        for kind, detail, sent, held in ways
    )
    return Budget(collection, pipeline, 12, rows, left_out or {})
