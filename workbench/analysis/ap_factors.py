"""What the ground truth knows of each positive, beside the precision that it contributes to AP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.collections import images
from workbench.collections.collection import Collection, require_ground_truth
from workbench.common.drawable import Drawable, draw
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.engine.provenance import search_warnings
from workbench.engine.query_rankings import Judged, judged_rankings, judged_scores
from workbench.engine.searcher import Searcher
from workbench.evaluation.positives import ranks_by_counting
from workbench.evaluation.precision import precision_terms

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FACTS = ("visible", "size", "tilt", "box", "positives")


@dataclass(frozen=True)
class ApFactors(Drawable):
    """The positives of all queries, and what the ground truth knows of them.

    ``table`` has a row for each query and positive image, by query and rank: query, image_id, rank (from 1,
    without ignored images; missing if it was not ranked), precision (0…1, what the image contributes: their
    mean over the positives of a query is its AP), ap (0…1, of the query), visible (share of the target's
    area), size (share of the picture), tilt (degrees), box (share of the query's picture within its box) and
    positives (of the query). What is not known is NaN. Of images with equal scores the ranks are those of
    the ranking, while ``evaluate`` takes the mean over all orders.
    """

    pipeline: str
    collection: str
    setting: str
    table: pd.DataFrame
    warnings: list[str] = field(default_factory=list)

    @property
    def facts(self) -> list[str]:
        """The facts that are known of at least one positive."""
        return [name for name in FACTS if self.table[name].notna().any()]

    def figure(self, fact: str = "visible") -> Figure:
        """The precision, or of facts about queries the AP, over a fact of FACTS, by plotly."""
        return draw("ap_factors", self, fact=fact)

    def __repr__(self) -> str:
        queries = self.table["query"].nunique()
        known = ", ".join(self.facts) or "nothing"
        return (
            f"{len(self.table):,} positives of {queries:,} queries of {self.collection}, "
            f"ranked by {self.pipeline}; known: {known}"
        )


def ap_factors(searcher: Searcher, progress: Progress = silent) -> ApFactors:
    """Rank the database for every query, and put the facts of each positive beside its precision.

    Raises WorkbenchError if the collection has no ground truth.
    """
    collection = searcher.described.collection
    protocol = require_ground_truth(collection)
    rows: list[dict[str, Any]] = []
    for judged, ranked, ranks in _ranked_positives(searcher, progress):
        rows += _rows(judged, ranked, ranks, collection, protocol.variant)
    columns = ["query", "image_id", "rank", "precision", "ap", "visible", "size", "tilt", "box", "positives"]
    table = Table(rows, columns=columns).astype({"rank": "Int64"})
    return ApFactors(
        str(searcher.config), collection.name, protocol.headline, table, search_warnings(searcher)
    )


def _ranked_positives(
    searcher: Searcher, progress: Progress
) -> Iterator[tuple[Judged, NDArray[np.int64], NDArray[np.int64]]]:
    """For each query, the rows of the positives that are ranked, and their ranks from 0.

    Ignored images and the query's own do not count. An exhaustive search is not sorted.
    """
    if searcher.exhaustive is not None:
        for judged, scores in judged_scores(searcher, progress):
            removed = np.concatenate([judged.ignored, judged.own])
            yield judged, *ranks_by_counting(scores, judged.positives, removed)
        return
    for judged, ranking in judged_rankings(searcher, progress):
        ranked = ranking.rows
        ranked = ranked[~np.isin(ranked, np.concatenate([judged.ignored, judged.own]))]
        ranks = np.flatnonzero(np.isin(ranked, judged.positives))
        yield judged, ranked[ranks], ranks


def _rows(
    judged: Judged,
    ranked: NDArray[np.int64],
    ranks: NDArray[np.int64],
    collection: Collection,
    variant: Any,
) -> list[dict[str, Any]]:
    """A row for each positive of a query, in the order of the ranking; those not ranked at the end.

    ``ranked`` [r] are the rows of the positives that are ranked, ``ranks`` [r] their ranks from 0.
    """
    positives, query = judged.positives, judged.query
    if not len(positives):
        return []
    precision = precision_terms(ranks, variant)
    box = _box_share(collection, query.image, query.box)
    missed = sorted(set(positives.tolist()) - set(ranked.tolist()))
    results: list[tuple[int, Any, float]]
    results = [*zip(ranked.tolist(), (ranks + 1).tolist(), precision.tolist(), strict=True)]
    results += [(row, pd.NA, 0.0) for row in missed]
    about = {"ap": float(precision.sum() / len(positives)), "box": box, "positives": len(positives)}
    return [
        {
            "query": query.id,
            "image_id": (image := collection.images[row]),
            "rank": rank,
            "precision": share,
            **dict.fromkeys(("visible", "size", "tilt"), np.nan),
            **collection.target_facts.get((query.id, image), {}),
            **about,
        }
        for row, rank, share in results
    ]


def _box_share(collection: Collection, image: str, box: Box | None) -> float:
    """The share of the query's picture within its box; NaN without a box."""
    if box is None:
        return np.nan
    try:
        header = images.header(collection.path(image))
    except WorkbenchError:  # it was removed since
        return np.nan
    return (box[2] - box[0]) * (box[3] - box[1]) / (header.width * header.height)
