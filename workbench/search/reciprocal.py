"""Re-ranking by k-reciprocal neighbours: images are alike that have the same neighbours.

Zhong, Zheng, Cao and Li, "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from workbench.progress import Progress, silent
from workbench.search.found import Found, ordered
from workbench.search.neighbours import nearest
from workbench.search.shortlist import behind, cosines

FIRST = 1000  # results that are ranked again


class Neighbours(NamedTuple):
    """The nearest of each vector of a database, itself first: rows and cosines, [N, k]."""

    rows: np.ndarray
    cosines: np.ndarray


class _Lists(NamedTuple):
    """Lists of neighbours among n items: item ``j`` stands at ``place`` (0: itself) in the list of ``i``."""

    i: np.ndarray
    j: np.ndarray
    place: np.ndarray
    n: int

    def first(self, count: int) -> sparse.csr_array:
        """Which items are among the first of each list, CSR [n, n] of ones."""
        kept = self.place < count
        ones = np.ones(int(kept.sum()), np.float32)
        return sparse.csr_array((ones, (self.i[kept], self.j[kept])), shape=(self.n, self.n))

    def reciprocal(self, k: int) -> sparse.csr_array:
        """R(p, k): which items are among each other's k nearest (section 3.2); each is among its own."""
        near = self.first(k + 1)
        return sparse.csr_array(near.multiply(near.T))


def prepare(database: np.ndarray, k1: int, k2: int, progress: Progress = silent) -> Neighbours:
    """What re-ranking needs of unit vectors [N, D], once for all queries."""
    return Neighbours(*nearest(database, max(k1 + 1, k2), progress))


def rerank(
    queries: np.ndarray,
    database: np.ndarray,
    found: Sequence[Found],
    neighbours: Neighbours,
    k1: int,
    k2: int,
    share: float,
    progress: Progress = silent,
) -> list[Found]:
    """Rankings of queries [Q, D] by (1 − λ) · Jaccard similarity + λ · cosine, where λ is ``share``.

    That is one less the distance of section 3.5, with 1 − cosine as the original distance. The paper ranks
    all queries and the whole database together. Here each query joins the database alone, so that queries
    are no neighbours of one another, and its first 1,000 results are ranked again: neighbours are sought
    in the whole database, but those outside these results are left out of the sets that are compared. The
    rest follows in its order. Up to 1,000 images and for one query it is the paper's ranking.
    """
    again = []
    for position, (query, ranking) in enumerate(zip(queries, found, strict=True)):
        progress("comparing neighbours", position, len(found))
        first = cosines(query, database, ranking, FIRST)
        vectors = np.concatenate([database[first.rows], query[None]])
        codes = encoded(_joined(first, neighbours), vectors @ vectors.T, k1, k2)
        scores = (1 - share) * jaccard(codes)[:-1] + share * first.scores
        again.append(behind(ordered(first.rows, scores.astype(np.float32)), ranking))
    return again


def _joined(first: Found, neighbours: Neighbours) -> _Lists:
    """The lists of a query's first results with the query, the last item, put where it belongs."""
    n = len(first.rows)
    item = np.full(len(neighbours.rows), -1)
    item[first.rows] = np.arange(n)
    near = neighbours.cosines[first.rows]
    own = np.maximum((near >= first.scores[:, None]).sum(1), 1)  # where the query stands in each list
    place = np.arange(near.shape[1])[None] + (np.arange(near.shape[1]) >= own[:, None])
    j = item[neighbours.rows[first.rows]]
    inside = j >= 0
    i = np.repeat(np.arange(n), near.shape[1]).reshape(near.shape)
    items = np.arange(n + 1)
    return _Lists(
        np.concatenate([i[inside], items[:-1], np.full(n + 1, n)]),
        np.concatenate([j[inside], np.full(n, n), np.roll(items, 1)]),
        np.concatenate([place[inside], own, items]),
        n + 1,
    )


def encoded(lists: _Lists, similarities: np.ndarray, k1: int, k2: int) -> sparse.csr_array:
    """The vectors of n items over their neighbours, CSR [n, n], from lists and ``similarities`` [n, n].

    R*(p, k1) takes in R(q, k1 / 2) of each q in R(p, k1) that shares two thirds of it (section 3.2); its
    items are weighed by exp(−d) (3.3), and vectors averaged over the k2 nearest (3.4). As in the authors'
    program an item is the first of its own neighbours, and k1 / 2 is rounded.
    """
    near, half = lists.reciprocal(k1), lists.reciprocal(round(k1 / 2))
    shared = near.multiply(near @ half).tocoo()
    taken = 3 * shared.data >= 2 * half.sum(1)[shared.col]
    taking = sparse.csr_array((shared.data[taken], (shared.row[taken], shared.col[taken])), shape=near.shape)
    expansion = (near + taking @ half).tocoo()
    weights = np.exp(similarities[expansion.row, expansion.col] - 1)
    vectors = sparse.csr_array((weights, (expansion.row, expansion.col)), shape=near.shape)
    averaged = lists.first(k2)
    return sparse.csr_array(sparse.diags_array(1 / averaged.sum(1)) @ averaged @ vectors)


def jaccard(codes: sparse.csr_array) -> np.ndarray:
    """The Jaccard similarity of the last of n items with each, Σ min / Σ max, float64 [n]."""
    last = codes[[-1]].toarray()[0]
    least = np.minimum(codes.data, last[codes.indices])
    common = sparse.csr_array((least, codes.indices, codes.indptr), codes.shape).sum(1)
    return np.asarray(common / (codes.sum(1) + last.sum() - common))
