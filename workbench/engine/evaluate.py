"""Evaluate a described collection by its protocol: measures, costs, provenance and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.collections.collection import require_ground_truth
from workbench.collections.protocols import PROTOCOLS
from workbench.common.drawable import Drawable, draw
from workbench.common.paths import shortened
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.config.printable import printable
from workbench.engine.costs import costs
from workbench.engine.description import DescribedCollection
from workbench.engine.provenance import provenance, search_warnings
from workbench.engine.query_rankings import rank_queries
from workbench.engine.searcher import Searcher
from workbench.evaluation.judged import judged_notes, judged_queries
from workbench.evaluation.measures_text import measured
from workbench.evaluation.positives import PositiveRanks
from workbench.evaluation.scores import Scores, mean_scores
from workbench.search.ranking import Ranking

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MIN_SPREAD = 5e-4  # of the mAP between the orders of ties, from which on it is noted
KEPT_RESULTS = 100  # results of each query that are kept
SHOWN_NOTES = 3  # in the text of an evaluation


@dataclass(frozen=True, repr=False)
class Evaluation(Drawable):
    """The measures of a pipeline on a collection, and their provenance. Measures are fractions 0…1.

    ``curves`` holds the mean precision [101] at recalls 0, 0.01 … 1 for each setting of the protocol.
    ``costs`` are ``bytes`` per image in memory and ``milliseconds`` per query (see ``costs``). ``rankings``
    holds the first 100 results of each query: query, rank (from 1), image_id, score.

    Measures are means over all orders of images with equal scores. If the order matters, ``metrics`` also has
    the mAP with all ties resolved for the positives (``mAP_optimistic``) and against (``mAP_pessimistic``).
    """

    pipeline: str
    collection: str
    protocol: str
    mean_ap: float
    metrics: dict[str, float]
    per_query: pd.DataFrame
    provenance: dict[str, Any]
    warnings: list[str]
    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    rankings: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        protocol = PROTOCOLS[self.protocol]
        about = [
            f"{self.pipeline} on {self.collection}",
            measured(self),
            f"{protocol.title}, AP by the {protocol.variant} rule",
            *(f"⚠ {shortened(note)}" for note in self.warnings[:SHOWN_NOTES]),
        ]
        if (more := len(self.warnings) - SHOWN_NOTES) > 0:
            about.append(f"⚠ {more} more in .warnings")
        return "\n".join(map(printable, about))

    @property
    def judged(self) -> int:
        """The number of queries that the mAP is the mean over."""
        return int(self.provenance["judged"])

    @property
    def unjudged(self) -> dict[str, str]:
        """The other queries of the ground truth, each with the reason."""
        return dict(self.provenance["unjudged"])

    def figure(self, setting: str = "") -> Figure:
        """The precision over recall, at a setting of the protocol (default: the headline), by plotly."""
        return draw("precision_recall", [self], setting=setting)


def evaluate(searcher: Searcher, progress: Progress = silent) -> Evaluation:
    """Rank the database for every query and evaluate the rankings by the collection's protocol.

    Raises WorkbenchError if the collection has no ground truth.
    """
    described = searcher.described
    collection = described.collection
    protocol = require_ground_truth(collection)
    first, lengths = list[Ranking](), list[int]()

    def ranked() -> Iterator[dict[str, PositiveRanks]]:
        for query in rank_queries(searcher, KEPT_RESULTS, progress):
            first.append(query.first)
            lengths.append(query.length)
            yield query.positives

    scores = mean_scores(ranked(), [query.id for query in collection.queries], protocol)
    metrics = dict(scores.metrics)
    if scores.tied:
        metrics["mAP_pessimistic"], metrics["mAP_optimistic"] = scores.bounds
    measured_costs = costs(searcher, progress)
    per_query = scores.per_query.assign(query=[query.id for query in collection.queries])  # as text
    about = provenance(searcher, measured_costs) | judged_queries(collection, per_query)
    return Evaluation(
        str(searcher.config),
        collection.name,
        protocol.name,
        scores.mean_ap,
        metrics,
        Table(per_query),
        about,
        [
            *judged_notes(collection, about),
            *search_warnings(searcher),
            *_coverage_warnings(scores, lengths, searcher),
            *_tie_warnings(scores),
        ],
        scores.curves,
        {name: measured_costs[name] for name in ("bytes", "milliseconds")},
        _first_results(described, first),
    )


def _coverage_warnings(scores: Scores, lengths: Sequence[int], searcher: Searcher) -> Iterator[str]:
    if scores.missed:
        total = int(scores.per_query["positives"].sum())
        yield (
            f"{searcher.index.name} ranks {min(lengths)} to {max(lengths)} of {searcher.index.size} images "
            f"for a query: {scores.missed} of {total} positives are not among them and count as not found"
        )


def _tie_warnings(scores: Scores) -> Iterator[str]:
    low, high = scores.bounds
    if scores.tied and high - low >= MIN_SPREAD:
        yield (
            f"{scores.tied:,} of {len(scores.per_query):,} queries have positives with the same score as "
            "other images: AP is its mean over all orders of them; if all ties were resolved against or for "
            f"the positives, the mAP would be {100 * low:.1f} or {100 * high:.1f} %"
        )


def _first_results(described: DescribedCollection, first: Sequence[Ranking]) -> pd.DataFrame:
    """The first results of every query as a table."""
    collection = described.collection
    rows = np.concatenate([np.empty(0, np.int64), *(ranking.rows for ranking in first)])
    distractors = range(max(0, int(rows.max(initial=-1)) + 1 - len(collection.images)))
    names = [*collection.images, *(f"synthetic distractor {number}" for number in distractors)]
    lengths = [len(ranking.rows) for ranking in first]
    ranks = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    return Table(
        {
            "query": np.array([query.id for query in collection.queries], object).repeat(lengths),
            "rank": np.concatenate([np.empty(0, np.int32), *ranks]),
            "image_id": np.array(names, object)[rows],
            "score": np.concatenate([np.empty(0, np.float32), *(ranking.scores for ranking in first)]),
        }
    )
