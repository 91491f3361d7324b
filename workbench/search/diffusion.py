"""Diffusion: a query's similarity spread along the neighbourhood graph of the database.

Iscen, Tolias, Avrithis, Furon and Chum, "Efficient Diffusion on Region Manifolds", CVPR 2017, on global
descriptors, with the numbers of the authors' program (``ahmetius/diffusion-retrieval``).

It is made for thousands of images. With α = 0.99 a walk on the graph is a hundred steps long; where that is
enough to go everywhere, images with many near neighbours come first, whatever the query.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg

from workbench.progress import Progress, silent
from workbench.search.found import Found, ordered
from workbench.search.neighbours import nearest
from workbench.search.shortlist import behind, cosines

GAMMA = 3  # power of the similarity
ALPHA = 0.99  # share that is passed on at each step
NEAREST = 10  # of a query's neighbours the diffusion starts from
FIRST = 10_000  # results it reaches
TOLERANCE = 1e-6  # of the residual, relative


def graph(database: np.ndarray, k: int, progress: Progress = silent) -> sparse.csr_array:
    """The affinities of unit vectors [N, D]: symmetric, not negative, zero on the diagonal, CSR [N, N].

    Two vectors are joined where each is among the k nearest of the other, by max(cosine, 0)³.
    """
    rows, near = nearest(database, k + 1, progress)
    progress("joining neighbours", 0, 0)
    affinities = np.maximum(near, 0).astype(np.float64) ** GAMMA
    affinities[:, 0] = 0  # itself
    starts = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    one_way = sparse.csr_array((affinities.ravel(), rows.ravel(), starts), shape=(len(rows), len(rows)))
    mutual = sparse.csr_array(one_way.minimum(one_way.T))
    mutual.eliminate_zeros()
    return mutual


def rerank(
    queries: np.ndarray,
    database: np.ndarray,
    found: Sequence[Found],
    graph: sparse.csr_array,
    k: int,
    progress: Progress = silent,
) -> list[Found]:
    """Rankings of queries [Q, D] after diffusion on the ``graph`` of a database [N, D], scores f > 0.

    f solves (I − αS)f = y by conjugate gradients, S = D^−½WD^−½, where y holds max(cosine, 0)³ of the
    query's ``k`` nearest, at most 10 of them. As the authors do on large collections, W is cut down to a
    query's first 10,000 results before it is normalised. What the diffusion does not reach, and what lies
    further back, follows in its former order with lower scores.
    """
    again = []
    for position, (query, ranking) in enumerate(zip(queries, found, strict=True)):
        progress("diffusing", position, len(found))
        first = cosines(query, database, ranking, FIRST)
        y = np.zeros(len(first.rows))
        start = min(k, NEAREST)
        y[:start] = np.maximum(first.scores[:start], 0.0) ** GAMMA
        f = diffused(graph[first.rows][:, first.rows], y)
        reached = f > TOLERANCE * f.max(initial=0)  # less is what the solver leaves
        again.append(behind(ordered(first.rows[reached], f[reached]), ranking))
    return again


def diffused(affinities: sparse.csr_array, y: np.ndarray) -> np.ndarray:
    """The f [n] of (I − αS)f = y [n] for affinities [n, n]; a vector without neighbours keeps its y.

    The tolerance is the authors'. They also stop after 20 steps; here it is always reached, within
    some 120 steps, as the condition of I − αS is at most (1 + α) / (1 − α) = 199.
    """
    degrees = affinities.sum(1)
    scale = np.divide(1, np.sqrt(degrees), out=np.zeros(len(y)), where=degrees > 0)
    by_row = np.repeat(ALPHA * scale, np.diff(affinities.indptr))
    passed = affinities.copy()
    passed.data = by_row * affinities.data * scale[affinities.indices]
    system = LinearOperator(passed.shape, lambda f: f - passed @ f, dtype=np.float64)
    f, _ = cg(system, y, rtol=TOLERANCE, maxiter=1000)
    return np.asarray(f)
