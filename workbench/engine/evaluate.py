"""Evaluate a described collection by its protocol: measures, costs, provenance and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.collections.collection import (
    require_ground_truth,
)
from workbench.common.progress import Progress, silent
from workbench.engine.costs import costs
from workbench.engine.description import DescribedCollection
from workbench.engine.provenance import provenance, search_warnings
from workbench.engine.searcher import Searcher
from workbench.evaluation import protocols
from workbench.search import exact
from workbench.search.ranking import LazyRankings, Ranking

KEPT_RESULTS = 100  # results of each query that are kept
FEATURE_BATCH = 64  # queries whose local features are held at a time


@dataclass(frozen=True)
class Evaluation:
    """The measures of a pipeline on a collection, and their provenance. Measures are fractions 0…1.

    ``curves`` holds the mean precision [101] at recalls 0, 0.01 … 1 for each setting of the protocol.
    ``costs`` are ``bytes`` per image in memory and ``milliseconds`` per query (see ``costs``). ``rankings``
    holds the first 100 results of each query: query, rank (from 1), image_id, score. If the index counts
    differing bits, ``metrics`` also has the mAP with equal distances resolved for the positives
    (``mAP_optimistic``) and against them (``mAP_pessimistic``); mAP itself keeps the database's order.
    """

    pipeline: str
    collection: str
    protocol: str
    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str]
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    costs: dict[str, float] = field(default_factory=dict, repr=False)
    rankings: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)


def evaluate(searcher: Searcher, progress: Progress = silent) -> Evaluation:
    """Rank the database for every query and evaluate the rankings by the collection's protocol.

    Raises WorkbenchError if the collection has no ground truth.
    """
    described = searcher.described
    collection = described.collection
    protocol = require_ground_truth(collection)
    rows, truth = described.query_rows(), described.ground_truth()
    vectors = described.descriptors.vectors[rows]
    junk = [searcher.junk_of(query) for query in collection.queries]
    first: dict[int, Ranking] = {}

    def keep_first(position: int, ranking: Ranking) -> NDArray[np.int64]:
        first[position] = Ranking(ranking.rows[:KEPT_RESULTS].copy(), ranking.scores[:KEPT_RESULTS].copy())
        progress("ranking", position, len(vectors))
        return ranking.rows

    def scores_of(ranked_rows: Callable[[int, Ranking], NDArray[np.int64]]) -> protocols.Scores:
        def search(batch: slice) -> list[Ranking]:
            features = searcher.features(rows[batch])
            return searcher.search(vectors[batch], junk[batch], progress, features=features)

        batch_size = exact.TOGETHER // max(1, searcher.index.size)
        if searcher.keypoints:
            batch_size = min(batch_size, FEATURE_BATCH)
        return protocols.evaluate(
            LazyRankings(search, len(vectors), batch_size, ranked_rows), truth, protocol
        )

    scores = scores_of(keep_first)
    metrics = dict(scores.metrics)
    if searcher.index.ties and not searcher.rerankers:
        for name, favour in (("mAP_optimistic", True), ("mAP_pessimistic", False)):
            metrics[name] = scores_of(
                lambda query, ranking, favour=favour: resolve_ties(ranking, truth[query], favour)  # type: ignore[misc]
            ).mean_ap
    measured_costs = costs(searcher)
    return Evaluation(
        str(searcher.config),
        collection.name,
        protocol.name,
        scores.mean_ap,
        metrics,
        scores.per_query.assign(query=[query.id for query in collection.queries]),
        provenance(searcher, measured_costs),
        [*search_warnings(searcher), *_tie_warnings(metrics)],
        scores.curves,
        {name: measured_costs[name] for name in ("bytes", "milliseconds")},
        _first_results(described, first),
    )


def resolve_ties(ranking: Ranking, grades: Mapping[Any, str], favour: bool) -> NDArray[np.int64]:
    """The rows [k] of a ranking, those of equal scores reordered: positives first if ``favour``, else last.

    Every graded image counts as a positive: images that a setting ignores are removed from its ranking
    anyway.
    """
    graded = np.isin(ranking.rows, [row for row in grades if row != "self"])
    return ranking.rows[np.lexsort((graded ^ favour, -ranking.scores))]


def _tie_warnings(metrics: Mapping[str, float]) -> Iterator[str]:
    if "mAP_optimistic" in metrics:
        low, high = (100 * metrics[f"mAP_{name}"] for name in ("pessimistic", "optimistic"))
        yield (
            "images at equal distances keep the collection's order; if all ties were resolved against or for "
            f"the positives, the mAP would be {low:.1f} or {high:.1f} %"
        )


def _first_results(described: DescribedCollection, first: Mapping[int, Ranking]) -> pd.DataFrame:
    """The first results of every query as a table."""
    images = described.collection.images
    rows = np.concatenate([np.empty(0, np.int64), *(ranking.rows for ranking in first.values())])
    lengths = [len(ranking.rows) for ranking in first.values()]
    query_ids = np.array([described.collection.queries[position].id for position in first], object)
    ranks = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    scores = [ranking.scores for ranking in first.values()]
    return pd.DataFrame(
        {
            "query": query_ids.repeat(lengths),
            "rank": np.concatenate([np.empty(0, np.int32), *ranks]),
            "image_id": [
                images[row] if row < len(images) else f"synthetic distractor {row - len(images)}"
                for row in rows
            ],
            "score": np.concatenate([np.empty(0, np.float32), *scores]),
        }
    )
