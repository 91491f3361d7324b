"""Query expansion and its counterpart on the database: vectors moved towards their neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.progress import Progress, silent
from workbench.search.found import Found
from workbench.search.neighbours import nearest

_SMALLEST = 1e-6  # length of a sum, below which its direction is rounding
_TOGETHER = 2**23  # numbers of neighbours gathered at a time


def expanded(
    queries: np.ndarray, database: np.ndarray, found: Sequence[Found], n: int, alpha: float = 0.0
) -> np.ndarray:
    """Queries [Q, D] with the first ``n`` of what each ``found`` in a database [N, D]: unit vectors [Q, D].

    Average query expansion (AQE, Chum et al. 2007) is the mean of the query and its first n
    results. Alpha query expansion (Radenović, Tolias and Chum 2019) weighs a result by its
    cosine with the query to the power ``alpha``, a negative one by nought, and the query by one; with
    alpha 0 it is AQE. Cosines are exact, however approximate the search was. A query that its results
    cancel out stays as it is.
    """
    summed = np.array(queries, np.float32)
    for query, its, ranking in zip(queries, summed, found, strict=True):
        near = database[ranking.rows[:n]]
        weights = np.maximum(near @ query, 0) ** np.float32(alpha)  # 0⁰ is 1: AQE takes all n
        its += weights @ near
    return _unit(summed, queries)


def augmented(database: np.ndarray, n: int, progress: Progress = silent) -> np.ndarray:
    """A database [N, D] where each vector is the mean of itself and its ``n`` nearest: unit vectors [N, D].

    Database-side feature augmentation (Turcot and Lowe 2009; on descriptors Arandjelović and Zisserman
    2012). A vector that its neighbours cancel out stays as it is.
    """
    rows, _ = nearest(database, n + 1, progress)
    summed = np.empty(database.shape, np.float32)
    together = max(1, _TOGETHER // max(1, rows.shape[1] * database.shape[1]))
    for start in range(0, len(rows), together):
        progress("augmenting the database", start, len(rows))
        summed[start : start + together] = database[rows[start : start + together]].sum(1)
    return _unit(summed, database)


def _unit(summed: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Sums [n, D] at unit length, float32; where one has no direction, the vector it was made for."""
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    unit = summed / np.maximum(lengths, _SMALLEST)
    return np.asarray(np.where(lengths > _SMALLEST, unit, otherwise), np.float32)
