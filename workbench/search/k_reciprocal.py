"""Re-ranking by k-reciprocal neighbours: two images are similar if they share their neighbours.

Zhong, Zheng, Cao and Li, "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

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

FIRST = 1000  # results that are re-ranked


class Neighbours(NamedTuple):
    """The nearest neighbours of each vector of a database, itself first: rows and cosines, [N, k]."""

    rows: np.ndarray
    cosines: np.ndarray


class _Lists(NamedTuple):
    """Neighbour lists of n items: item ``j`` is at ``place`` in the list of ``i`` (place 0: ``i`` itself)."""

    i: np.ndarray
    j: np.ndarray
    place: np.ndarray
    n: int

    def first(self, count: int) -> sparse.csr_array:
        """Mark the items among the first ``count`` of each list, CSR [n, n] of ones."""
        kept = self.place < count
        ones = np.ones(int(kept.sum()), np.float32)
        return sparse.csr_array((ones, (self.i[kept], self.j[kept])), shape=(self.n, self.n))

    def reciprocal(self, k: int) -> sparse.csr_array:
        """R(p, k): the items among each other's k nearest (section 3.2), including the item itself."""
        near = self.first(k + 1)
        return sparse.csr_array(near.multiply(near.T))


def prepare(database: np.ndarray, k1: int, k2: int, progress: Progress = silent) -> Neighbours:
    """Compute the neighbours of unit vectors [N, D] that re-ranking needs, once for all queries."""
    return Neighbours(*nearest(database, max(k1 + 1, k2), progress))


def rerank(
    queries: np.ndarray,
    database: np.ndarray,
    rankings: Sequence[Ranking],
    neighbours: Neighbours,
    k1: int,
    k2: int,
    share: float,
    progress: Progress = silent,
) -> list[Ranking]:
    """Re-rank the results of queries [Q, D] by (1 − λ) · Jaccard similarity + λ · cosine; λ is ``share``.

    This equals one minus the distance of section 3.5, with 1 − cosine as the original distance. The paper
    ranks all queries and the whole database together. Here each query is added to the database alone, so
    that queries are not neighbours of each other, and its first 1,000 results are re-ranked: neighbours
    come from the whole database, but those outside these results are left out of the compared sets. The
    other results follow in their order. For one query and up to 1,000 images it is the paper's ranking.
    """
    reranked = []
    for position, (query, ranking) in enumerate(zip(queries, rankings, strict=True)):
        progress("comparing neighbours", position, len(rankings))
        first = cosines(query, database, ranking, FIRST)
        vectors = np.concatenate([database[first.rows], query[None]])
        codes = encode(_joined(first, neighbours), vectors @ vectors.T, k1, k2)
        scores = (1 - share) * jaccard(codes)[:-1] + share * first.scores
        reranked.append(append_rest(sorted_ranking(first.rows, scores.astype(np.float32)), ranking))
    return reranked


def _joined(first: Ranking, neighbours: Neighbours) -> _Lists:
    """Insert the query, as the last item, into the neighbour lists of its first results."""
    n = len(first.rows)
    item = np.full(len(neighbours.rows), -1)
    item[first.rows] = np.arange(n)
    similarities = neighbours.cosines[first.rows]
    # The position of the query in each list.
    query_place = np.maximum((similarities >= first.scores[:, None]).sum(1), 1)
    place = np.arange(similarities.shape[1])[None] + (
        np.arange(similarities.shape[1]) >= query_place[:, None]
    )
    j = item[neighbours.rows[first.rows]]
    inside = j >= 0
    i = np.repeat(np.arange(n), similarities.shape[1]).reshape(similarities.shape)
    items = np.arange(n + 1)
    return _Lists(
        np.concatenate([i[inside], items[:-1], np.full(n + 1, n)]),
        np.concatenate([j[inside], np.full(n, n), np.roll(items, 1)]),
        np.concatenate([place[inside], query_place, items]),
        n + 1,
    )


def encode(lists: _Lists, similarities: np.ndarray, k1: int, k2: int) -> sparse.csr_array:
    """Encode n items as vectors over their neighbours, CSR [n, n], from lists and ``similarities`` [n, n].

    R*(p, k1) adds R(q, k1 / 2) for each q in R(p, k1) that shares two thirds of it (section 3.2); its
    items are weighted by exp(−d) (3.3), and the vectors averaged over the k2 nearest (3.4). As in the
    authors' program an item is its own first neighbour, and k1 / 2 is rounded.
    """
    neighbours, half = lists.reciprocal(k1), lists.reciprocal(round(k1 / 2))
    shared = neighbours.multiply(neighbours @ half).tocoo()
    accepted = 3 * shared.data >= 2 * half.sum(1)[shared.col]
    expanding = sparse.csr_array(
        (shared.data[accepted], (shared.row[accepted], shared.col[accepted])), shape=neighbours.shape
    )
    expansion = (neighbours + expanding @ half).tocoo()
    weights = np.exp(similarities[expansion.row, expansion.col] - 1)
    vectors = sparse.csr_array((weights, (expansion.row, expansion.col)), shape=neighbours.shape)
    averaged = lists.first(k2)
    return sparse.csr_array(sparse.diags_array(1 / averaged.sum(1)) @ averaged @ vectors)


def jaccard(codes: sparse.csr_array) -> np.ndarray:
    """Compute the Jaccard similarity of the last of n items with each item, Σ min / Σ max, float64 [n]."""
    last = codes[[-1]].toarray()[0]
    minimum = np.minimum(codes.data, last[codes.indices])
    common = sparse.csr_array((minimum, codes.indices, codes.indptr), codes.shape).sum(1)
    return np.asarray(common / (codes.sum(1) + last.sum() - common))
