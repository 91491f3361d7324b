"""Diffusion: spread the similarity of a query over the neighbourhood graph of the database.

Iscen, Tolias, Avrithis, Furon and Chum, "Efficient Diffusion on Region Manifolds", CVPR 2017, applied to
global descriptors, with the parameters of the authors' program (``ahmetius/diffusion-retrieval``).

The method is meant for thousands of images. With α = 0.99 a walk on the graph has about a hundred steps; in
a graph so small that a walk reaches everything, images with many near neighbours come first for every query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.search.knn import nearest
from workbench.search.query_expansion import append_rest, cosines
from workbench.search.ranking import Ranking, sorted_ranking

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = lazy_module("scipy.sparse")
linalg = lazy_module("scipy.sparse.linalg")

GAMMA = 3  # exponent of the similarity
ALPHA = 0.99  # share that is passed on at each step
NEAREST = 10  # neighbours of a query at which the diffusion starts, at most
FIRST = 10_000  # results that are re-ranked
TOLERANCE = 1e-6  # relative, of the residual


def graph(database: np.ndarray, k: int, progress: Progress = silent) -> sparse.csr_array:
    """Build the affinity matrix of unit vectors [N, D]: symmetric, non-negative, zero diagonal, CSR [N, N].

    Two vectors that are among each other's k nearest have the affinity max(cosine, 0)³, others zero.
    """
    rows, similarities = nearest(database, k + 1, progress)
    progress("building the graph of neighbours", 0, 0)
    affinities = np.maximum(similarities, 0).astype(np.float64) ** GAMMA
    affinities[:, 0] = 0  # itself
    starts = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    directed = sparse.csr_array((affinities.ravel(), rows.ravel(), starts), shape=(len(rows), len(rows)))
    mutual = sparse.csr_array(directed.minimum(directed.T))
    mutual.eliminate_zeros()
    return mutual


def rerank(
    queries: np.ndarray,
    database: np.ndarray,
    rankings: Sequence[Ranking],
    graph: sparse.csr_array,
    k: int,
    progress: Progress = silent,
) -> list[Ranking]:
    """Re-rank the results of queries [Q, D] by diffusion on the ``graph`` of a database [N, D]; scores f > 0.

    f solves (I − αS)f = y by conjugate gradients, S = D^−½WD^−½, where y holds max(cosine, 0)³ of the
    ``k`` nearest neighbours of the query, at most 10. As in the authors' program for large collections, W is
    restricted to the first 10,000 results of the query before it is normalised. Results that the diffusion
    does not reach and those beyond the 10,000 follow in their previous order with lower scores.
    """
    reranked = []
    for position, (query, ranking) in enumerate(zip(queries, rankings, strict=True)):
        progress("diffusion over the graph of neighbours", position, len(rankings))
        first = cosines(query, database, ranking, FIRST)
        y = np.zeros(len(first.rows))
        start = min(k, NEAREST)
        y[:start] = np.maximum(first.scores[:start], 0.0) ** GAMMA
        f = solve(graph[first.rows][:, first.rows], y)
        reached = f > TOLERANCE * f.max(initial=0)  # smaller values are within the solver's tolerance
        reranked.append(append_rest(sorted_ranking(first.rows[reached], f[reached]), ranking))
    return reranked


def solve(affinities: sparse.csr_array, y: np.ndarray) -> np.ndarray:
    """Solve (I − αS)f = y [n] for f [n], given affinities [n, n]; vectors without neighbours keep their y.

    The tolerance is that of the authors. They also stop after 20 steps; here the tolerance is always reached,
    within about 120 steps, as the condition of I − αS is at most (1 + α) / (1 − α) = 199.
    """
    degrees = affinities.sum(1)
    scale = np.divide(1, np.sqrt(degrees), out=np.zeros(len(y)), where=degrees > 0)
    by_row = np.repeat(ALPHA * scale, np.diff(affinities.indptr))
    transition = affinities.copy()
    transition.data = by_row * affinities.data * scale[affinities.indices]
    system = linalg.LinearOperator(transition.shape, lambda f: f - transition @ f, dtype=np.float64)
    f, _ = linalg.cg(system, y, rtol=TOLERANCE, maxiter=1000)
    return np.asarray(f)
