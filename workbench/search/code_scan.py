"""Search all product codes for many queries at once.

The score of a row is the sum of a table entry for each part of its code (Jégou, Douze and Schmid 2011,
section III). FAISS sums them query by query. Here the entries of many queries are beside each other in
memory, so that one instruction adds those of sixteen.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from workbench.common.lazy import lazy_module
from workbench.search.ranking import Ranking

faiss = lazy_module("faiss")

FEWEST = 16  # queries, below which FAISS is as fast
_BITS = 8  # of a part of a code; FAISS packs shorter ones
_TOGETHER = 128  # queries of a table
_BLOCK = 16_384  # rows


def scans(index: Any, queries: int, k: int) -> bool:
    """Whether ``search_codes`` applies to a FAISS index and a search of so many queries."""
    return (
        isinstance(index, faiss.IndexPQ)
        and index.pq.nbits == _BITS
        and queries >= FEWEST
        and k < index.ntotal
    )


def search_codes(index: Any, queries: np.ndarray, k: int) -> list[Ranking]:
    """Rank the best ``k`` rows of an ``IndexPQ`` by inner product, for queries [Q, D] float32."""
    codes = faiss.vector_to_array(index.codes).reshape(index.ntotal, -1)
    rankings: list[Ranking] = []
    for start in range(0, len(queries), _TOGETHER):
        group = np.ascontiguousarray(queries[start : start + _TOGETHER], np.float32)
        rankings += scan(codes, _table(index.pq, group), k)
    return rankings


def _table(quantizer: Any, queries: np.ndarray) -> torch.Tensor:
    """The inner products of centroids and queries [M * 256, Q], those of one part after the other."""
    products = np.empty((len(queries), quantizer.M * quantizer.ksub), np.float32)
    quantizer.compute_inner_prod_tables(len(queries), faiss.swig_ptr(queries), faiss.swig_ptr(products))
    return torch.from_numpy(np.ascontiguousarray(products.T))


def scan(codes: np.ndarray, table: torch.Tensor, k: int) -> list[Ranking]:
    """The best ``k`` rows of codes [N, M] for each column of a table; rows of equal scores in their order."""
    parts, count = codes.shape[1], table.shape[1]
    first = (len(table) // parts) * torch.arange(parts, dtype=torch.int32)
    least = torch.full((count,), -torch.inf)  # the k-th highest score of each query so far
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    waiting = 0
    for start in range(0, len(codes), _BLOCK):
        entries = torch.from_numpy(codes[start : start + _BLOCK]).to(torch.int32) + first
        scores = torch.nn.functional.embedding_bag(entries, table, mode="sum")
        # Rows come in order, so that one as good as the k-th is behind it.
        rows, columns = torch.nonzero(scores > least, as_tuple=True)
        kept.append(((rows + start).numpy(), columns.to(torch.uint8).numpy(), scores[rows, columns].numpy()))
        waiting += len(rows)
        if waiting > 3 * k * count:
            kept = [_best(kept, least, k)]
            waiting = len(kept[0][0])
    rows_of, columns_of, scores_of = _best(kept, least, k)
    ends = np.searchsorted(columns_of, np.arange(count + 1))
    rankings = []
    for low, high in itertools.pairwise(ends):
        order = np.lexsort((rows_of[low:high], -scores_of[low:high]))[:k]
        rankings.append(Ranking(rows_of[low:high][order], scores_of[low:high][order]))
    return rankings


def _best(
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]], least: torch.Tensor, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, queries and scores, by query, without those below the k-th of their query.

    ``least`` [Q] gets the k-th scores.
    """
    rows, columns, scores = (np.concatenate(arrays) for arrays in zip(*kept, strict=True))
    order = np.argsort(columns, kind="stable")
    rows, columns, scores = rows[order], columns[order], scores[order]
    ends = np.searchsorted(columns, np.arange(len(least) + 1))
    chosen = np.ones(len(rows), bool)
    for query, (low, high) in enumerate(itertools.pairwise(ends)):
        if high - low > k:
            limit = np.partition(scores[low:high], high - low - k)[high - low - k]
            chosen[low:high] = scores[low:high] >= limit
            least[query] = float(limit)
    return rows[chosen], columns[chosen], scores[chosen]
