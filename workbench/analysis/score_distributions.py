"""The scores of positives, negatives and ignored images, over all queries of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.collections.collection import require_ground_truth
from workbench.common.drawable import Drawable, draw
from workbench.common.even_selection import even_selection
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.engine.provenance import search_warnings
from workbench.engine.query_rankings import judged_rankings, judged_scores
from workbench.engine.searcher import Searcher

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST = 4_000_000  # scores of negatives that are kept
LEAST = 100  # of each query, whatever their number


@dataclass(frozen=True)
class ScoreDistributions(Drawable):
    """The scores of a pipeline by relevance, over the whole rankings of all queries.

    ``positives``, ``negatives`` and ``junk`` (what the protocol ignores) are the scores [n], in the headline
    setting; the query's own image is left out. Of more than four million negatives an even selection along
    each ranking is kept; ``total`` is their number. ``unranked`` counts the pairs without a score, which an
    approximate index did not reach.
    """

    pipeline: str
    collection: str
    setting: str
    queries: int
    positives: NDArray[np.float32]
    negatives: NDArray[np.float32]
    junk: NDArray[np.float32]
    total: int
    unranked: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def auc(self) -> float:
        """The share of pairs of a positive and a negative in which the positive scores higher.

        The two may belong to different queries. Equal scores count half: the area under the ROC curve
        (Hanley and McNeil, Radiology 1982). NaN without positives or negatives.
        """
        if not len(self.positives) or not len(self.negatives):
            return float("nan")
        ordered = np.sort(self.negatives)
        below, up_to = (np.searchsorted(ordered, self.positives, side) for side in ("left", "right"))
        return float((below + up_to).mean() / 2 / len(ordered))

    @property
    def table(self) -> pd.DataFrame:
        """A row for each class: relevance, scores (their number), mean, deviation, and quartiles."""
        classes = {"positive": self.positives, "negative": self.negatives, "junk": self.junk}
        counts = {"negative": self.total}
        rows = []
        for name, scores in classes.items():
            known = scores.astype(np.float64) if len(scores) else np.array([np.nan])
            lower, median, upper = np.quantile(known, (0.25, 0.5, 0.75))
            rows.append(
                {
                    "relevance": name,
                    "scores": counts.get(name, len(scores)),
                    "mean": known.mean(),
                    "deviation": known.std(),
                    "lower_quartile": lower,
                    "median": median,
                    "upper_quartile": upper,
                }
            )
        return Table(rows)

    def figure(self) -> Figure:
        """The histograms of the scores of each class, by plotly."""
        return draw("score_histogram", self)

    def __repr__(self) -> str:
        return (
            f"Scores of {self.pipeline} on {self.collection}: {len(self.positives):,} of positives, "
            f"{self.total:,} of negatives, {len(self.junk):,} of ignored images; AUC {self.auc:.3f}"
        )


def score_distributions(searcher: Searcher, progress: Progress = silent) -> ScoreDistributions:
    """Rank the database for every query, and collect the scores of each class.

    Raises WorkbenchError if the collection has no ground truth.
    """
    collection = searcher.described.collection
    protocol = require_ground_truth(collection)
    most = max(LEAST, MOST // len(collection.queries))
    positives, negatives, junk = [], [], []
    total = unranked = 0
    for ranked, of_positives, of_others, of_junk in _scores_by_class(searcher, progress):
        positives.append(of_positives)
        junk.append(of_junk)
        total += len(of_others)
        unranked += searcher.index.size - ranked
        negatives.append(of_others[even_selection(len(of_others), most)])
    return ScoreDistributions(
        str(searcher.config),
        collection.name,
        protocol.headline,
        len(collection.queries),
        _joined(positives),
        _joined(negatives),
        _joined(junk),
        total,
        unranked,
        search_warnings(searcher),
    )


def _scores_by_class(
    searcher: Searcher, progress: Progress
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """For each query, the number of ranked images, and the scores of positives, negatives and ignored images.

    Highest scores are first. In an exhaustive search only the scores are sorted, not the images.
    """
    if searcher.exhaustive is not None:
        for judged, scores in judged_scores(searcher, progress):
            others = np.ones(len(scores), bool)
            for rows in judged[1:]:
                others[rows] = False
            yield (
                len(scores),
                -np.sort(-scores[judged.positives]),
                -np.sort(-scores[others]),
                -np.sort(-scores[judged.ignored]),
            )
        return
    for judged, (rows, scores) in judged_rankings(searcher, progress):
        is_positive, is_junk = np.isin(rows, judged.positives), np.isin(rows, judged.ignored)
        others = ~(is_positive | is_junk | np.isin(rows, judged.own))
        yield len(rows), scores[is_positive], scores[others], scores[is_junk]


def _joined(parts: list[np.ndarray]) -> NDArray[np.float32]:
    return np.concatenate([np.empty(0, np.float32), *parts])
