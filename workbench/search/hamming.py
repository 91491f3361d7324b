"""Nearest packed binary codes, by Hamming distance and by spherical Hamming distance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from workbench.common.lazy import compiled, lazy_module

faiss = lazy_module("faiss")

TOGETHER = 32  # queries compared at a time
_ROW = np.uint64(32)  # bits of a row number within a key
_FIRST, _NUMBERS = 2**13, 2**17  # codes in the first block, distances in any block: both fit the cache

# From |a⊕b| int32 [Q, m] and the bit counts |a| [Q] and |b| [m] to distances float32 [Q, m], the output.
Distance = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class Visit(NamedTuple):
    """A range of codes, and the queries that are compared with it."""

    start: int
    stop: int
    queries: np.ndarray


def hamming(
    differing: np.ndarray, of_queries: np.ndarray, of_codes: np.ndarray, distances: np.ndarray
) -> None:
    """|a⊕b|: the number of bits that differ."""
    np.copyto(distances, differing, casting="same_kind")


@compiled(nogil=True, error_model="numpy")  # a check for division by zero would prevent vectorisation
def spherical(
    differing: np.ndarray, of_queries: np.ndarray, of_codes: np.ndarray, distances: np.ndarray
) -> None:
    """|a⊕b| / (|a∧b| + 0.1), where |a∧b| = (|a| + |b| - |a⊕b|) / 2 (Heo et al., CVPR 2012).

    The paper has no 0.1; it avoids a division by zero for codes that share no bit. Compiled to a single
    pass: NumPy needs six, which take ten times as long, more than counting the bits.
    """
    for i in range(differing.shape[0]):
        for j in range(differing.shape[1]):
            shared = np.float32(of_queries[i] + of_codes[j] - differing[i, j]) * np.float32(0.5)
            distances[i, j] = np.float32(differing[i, j]) / (shared + np.float32(0.1))


def count_differing_bits(queries: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> None:
    """Write the Hamming distances of codes uint8 [Q, W] and [n, W] to ``counts`` int32 [Q, n], by FAISS."""
    a, b, output = (faiss.swig_ptr(array) for array in (queries, codes, counts))
    faiss.hammings(a, b, len(queries), len(codes), queries.shape[1], output)


def distances_between(queries: np.ndarray, codes: np.ndarray, distance: Distance) -> np.ndarray:
    """The distances float32 [Q, n] of packed codes uint8 [Q, W] and [n, W]."""
    differing = np.empty((len(queries), len(codes)), np.int32)
    count_differing_bits(queries, codes, differing)
    distances = np.empty(differing.shape, np.float32)
    distance(differing, _bits(queries), _bits(codes), distances)
    return distances


def nearest(
    queries: np.ndarray,
    codes: np.ndarray,
    distance: Distance,
    k: int | None = None,
    visits: Iterable[Visit] | None = None,
    rows: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Find the ``k`` codes nearest to each query (None: all visited): rows int64 and distances float32.

    ``queries`` and ``codes`` are packed, uint8 [Q, W] and [N, W]; ``rows`` uint32 [N] maps codes to rows
    of the database (None: the identity). Without ``visits`` every code is compared; no query may visit a
    code twice. Ties go by row.
    """
    bit_counts = _bits(queries)
    if visits is None:
        visits = [Visit(0, len(codes), np.arange(len(queries)))]
    zero = np.zeros((1, codes.shape[1]), np.uint8)
    best = _Best(len(queries), k)
    # Allocated once for all blocks: fresh memory is mapped page by page, which takes as long as the work.
    capacity = max(_FIRST * (len(queries) + 1), _NUMBERS)
    count_buffer, distance_buffer = np.empty(capacity, np.int32), np.empty(capacity, np.float32)
    for visit in visits:
        compared_queries = np.concatenate([queries[visit.queries], zero])
        start, max_length = visit.start, max(_FIRST, _NUMBERS // len(compared_queries))
        block_length = _FIRST  # a short first block soon gives a worst distance to compare with
        while start < visit.stop:
            stop = min(start + block_length, visit.stop)
            shape = (len(compared_queries), stop - start)
            counts, distances = (
                a[: math.prod(shape)].reshape(shape) for a in (count_buffer, distance_buffer)
            )
            count_differing_bits(
                compared_queries, codes[start:stop], counts
            )  # against zero: bit counts of the codes
            distance(counts[:-1], bit_counts[visit.queries], counts[-1], distances[:-1])
            block_rows = np.arange(start, stop, dtype=np.uint32) if rows is None else rows[start:stop]
            best.add(visit.queries, distances[:-1], block_rows)
            start, block_length = stop, min(2 * block_length, max_length)
    return [best.ranking(query) for query in range(len(queries))]


class _Best:
    """The nearest codes so far, as integer keys that sort by distance, then by row.

    The bits of the distance come first; those of non-negative floats sort in the order of the floats.
    """

    def __init__(self, queries: int, k: int | None) -> None:
        self.k = k
        self.keys: list[list[np.ndarray]] = [[] for _ in range(queries)]
        self.held = np.zeros(queries, np.int64)
        self.worst = np.full(queries, np.inf, np.float32)

    def add(self, queries: np.ndarray, distances: np.ndarray, rows: np.ndarray) -> None:
        """Add distances float32 [Q, m] of these queries to the codes of ``rows`` uint32 [m]."""
        code_count = distances.shape[1]
        hits = np.flatnonzero(distances <= self.worst[queries, None])
        keys = distances.ravel()[hits].view(np.uint32).astype(np.uint64) << _ROW | rows[hits % code_count]
        ends = np.searchsorted(hits, code_count * np.arange(len(queries) + 1))
        self.held[queries] += np.diff(ends)
        for i in np.flatnonzero(np.diff(ends)):
            self.keys[queries[i]].append(keys[ends[i] : ends[i + 1]])
        if self.k is not None:
            for query in queries[self.held[queries] > 4 * self.k]:
                best = np.partition(np.concatenate(self.keys[query]), self.k - 1)[: self.k]
                self.keys[query], self.held[query] = [best], self.k
                self.worst[query] = _distances(best[-1:])[0]

    def ranking(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        keys = np.sort(np.concatenate(self.keys[query]))[: self.k]
        self.keys[query] = []  # free memory: full rankings are large
        return (keys & np.uint64(2**32 - 1)).astype(np.int64), _distances(keys)


def _distances(keys: np.ndarray) -> np.ndarray:
    return (keys >> _ROW).astype(np.uint32).view(np.float32)


def _bits(codes: np.ndarray) -> np.ndarray:
    """Count the bits of each code, int32 [n]."""
    counts = np.empty(len(codes), np.int32)
    count_differing_bits(np.zeros((1, codes.shape[1]), np.uint8), codes, counts)
    return counts
