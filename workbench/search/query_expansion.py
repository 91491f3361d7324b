"""Query expansion and database-side augmentation: vectors averaged with their nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.search.knn import nearest
from workbench.search.ranking import Ranking, sorted_ranking

_MIN_LENGTH = 1e-6  # of a sum; the direction of a shorter one is only rounding error
_BATCH_NUMBERS = 2**23  # numbers of neighbours gathered at a time
_BATCH_NUMBERS = 2**23  # numbers of neighbours gathered at a time


def expand_queries(
    queries: np.ndarray, database: np.ndarray, rankings: Sequence[Ranking], n: int, alpha: float = 0.0
) -> np.ndarray:
    """Expand queries [Q, D] with the first ``n`` results of their rankings in a database [N, D].

    Average query expansion (AQE, Chum et al. 2007) is the mean of the query and its first n results.
    Alpha query expansion (Radenović, Tolias and Chum 2019) weights each result by its cosine with the
    query to the power ``alpha`` (zero where the cosine is negative) and the query by one; with alpha 0
    it equals AQE. Cosines are computed exactly, even where the search was approximate. Returns unit
    vectors [Q, D]; a query whose sum with its results is zero is returned unchanged.
    """
    sums = np.array(queries, np.float32)
    for query, total, ranking in zip(queries, sums, rankings, strict=True):
        neighbours = database[ranking.rows[:n]]
        weights = np.maximum(neighbours @ query, 0) ** np.float32(alpha)  # 0⁰ is 1: AQE takes all n
        total += weights @ neighbours
    return _unit(sums, queries)


def augment_database(database: np.ndarray, n: int, progress: Progress = silent) -> np.ndarray:
    """Replace each vector of a database [N, D] by the mean of itself and its ``n`` nearest neighbours.

    Database-side feature augmentation (Turcot and Lowe 2009; for global descriptors Arandjelović and
    Zisserman 2012). Returns unit vectors [N, D]; a vector whose sum with its neighbours is zero stays.
    """
    rows, _ = nearest(database, n + 1, progress)
    sums = np.empty(database.shape, np.float32)
    batch_size = max(1, _BATCH_NUMBERS // max(1, rows.shape[1] * database.shape[1]))
    for start in range(0, len(rows), batch_size):
        progress("augmenting the database", start, len(rows))
        sums[start : start + batch_size] = database[rows[start : start + batch_size]].sum(1)
    return _unit(sums, database)


def _unit(sums: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Scale sums [n, D] to unit length, float32; a sum of zero is replaced by its row of ``fallback``."""
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = sums / np.maximum(lengths, _MIN_LENGTH)
    return np.asarray(np.where(lengths > _MIN_LENGTH, unit, fallback), np.float32)


def cosines(query: np.ndarray, database: np.ndarray, ranking: Ranking, first: int) -> Ranking:
    """Rank the ``first`` results of a query [D] by their exact cosines in a database [N, D]."""
    rows = ranking.rows[:first]
    return sorted_ranking(rows, np.asarray(database[rows] @ query, np.float32))


def append_rest(reranked: Ranking, ranking: Ranking) -> Ranking:
    """Append to the results ranked ``reranked`` the other results of ``ranking``, in their previous order.

    The scores of the others are lowered by one common amount, so that ties stay ties, until the best
    of them is just below the last re-ranked result; they are unchanged where they were below already.
    """
    outside = np.ones(ranking.rows.max(initial=-1) + 1, bool)
    outside[reranked.rows] = False
    others = outside[ranking.rows]
    if not len(reranked.rows) or not others.any():
        return reranked if len(reranked.rows) else ranking
    scores = ranking.scores[others].astype(np.float64)
    limit = np.nextafter(reranked.scores.min(), np.float32(-np.inf))
    lower = np.minimum(scores - max(0.0, scores[0] - limit), limit).astype(np.float32)
    rows, scores = np.append(reranked.rows, ranking.rows[others]), np.append(reranked.scores, lower)
    same = np.diff(scores) == 0
    tied = np.append(same, False) | np.append(False, same)  # includes ties created by rounding
    rows[tied] = rows[tied][np.lexsort((rows[tied], -scores[tied]))]
    return Ranking(rows, scores)
