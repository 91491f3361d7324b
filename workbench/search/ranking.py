"""A ranking as a table, and the change of ranks between two rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from workbench.common.columns import Columns

if TYPE_CHECKING:
    import pandas as pd


def ranking_table(
    ranking: Ranking,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    previous: Ranking | None = None,
) -> pd.DataFrame:
    """As ``ranking_columns``, as a DataFrame."""
    return ranking_columns(ranking, ids, relevance, k, previous).table()


def ranking_columns(
    ranking: Ranking,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    previous: Ranking | None = None,
) -> Columns:
    """List the first ``k`` (None: all) results of ``ranking`` among the images ``ids`` [N], best first.

    Columns: rank (from 1), image_id, score, relevance and, with a ``previous`` ranking, moved:
    the number of positions by which an image rose since, negative where it fell. An image that is
    missing from a ranking counts as placed behind all images in it.
    """
    named = ranking.rows < len(ids)  # synthetic distractors have no name
    rows, scores = ranking.rows[named], ranking.scores[named]
    values: dict[str, Any] = {
        "rank": np.arange(1, len(rows) + 1)[:k],
        "image_id": [ids[row] for row in rows[:k]],
        "score": scores[:k].astype(float),
        "relevance": [relevance(ids[row]) for row in rows[:k]],
    }
    if previous is not None:
        size = len(ids) + int(max(ranking.rows.max(initial=0), previous.rows.max(initial=0)))
        values["moved"] = (ranks(previous, size) - ranks(ranking, size))[rows[:k]]
    return Columns(values)


def ranks(ranking: Ranking, size: int) -> np.ndarray:
    """Return the position of each of ``size`` images, 0 for the best, int64 [size]."""
    positions = np.full(size, len(ranking.rows))
    positions[ranking.rows] = np.arange(len(ranking.rows))
    return positions


class Ranking(NamedTuple):
    """The ranking of one query: rows of the database, best first, int64 [k], and scores float32 [k].

    Scores never increase; ties keep the database's order. Images that the search did not reach are absent.
    """

    rows: np.ndarray
    scores: np.ndarray


class Index(Protocol):
    """A database [N, D] searchable by inner product or an approximation of it; higher scores are better."""

    @property
    def name(self) -> str: ...  # the steps that built it, as in ``ivf:64,pq:16``
    @property
    def size(self) -> int: ...  # number of vectors
    @property
    def bytes(self) -> float: ...  # per vector, without the shared bytes
    @property
    def shared_bytes(self) -> int: ...  # centroids, codebooks, rotations

    def search(self, queries: Any, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` rows (None: all within reach; at least one) for each query [Q, D] float32.

        Queries of an inverted file of local features are the features of each.
        """
        ...


def sorted_ranking(rows: np.ndarray, scores: np.ndarray) -> Ranking:
    """Sort rows [k] by scores [k], best first; rows below zero and NaN scores are dropped."""
    if len(rows) > 1 and scores.dtype == np.float32 and (scores[1:] < scores[:-1]).all() and rows.min() >= 0:
        return Ranking(rows, scores)  # already sorted, as most searches return them
    kept = (rows >= 0) & ~np.isnan(scores)
    rows, scores = rows[kept].astype(np.int64, copy=False), scores[kept].astype(np.float32, copy=False)
    order = np.lexsort((rows, -scores))
    return Ranking(rows[order], scores[order])
