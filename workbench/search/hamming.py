"""Rankings of packed binary codes, by Hamming distance and by the spherical one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import faiss
import numba
import numpy as np

TOGETHER = 32  # queries compared at a time
_ROW = np.uint64(32)  # bits of a row in a key
_FIRST, _NUMBERS = 2**13, 2**17  # codes in the first block, and distances in any: these stay in the cache

# From |a⊕b| int32 [Q, m] and the numbers of bits |a| [Q] and |b| [m] to distances float32 [Q, m], the last.
Distance = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


class Visit(NamedTuple):
    """A stretch of the codes, and which of the queries compare themselves with it."""

    start: int
    stop: int
    queries: np.ndarray


def hamming(
    differing: np.ndarray, of_queries: np.ndarray, of_codes: np.ndarray, distances: np.ndarray
) -> None:
    """|a⊕b|: how many bits differ."""
    np.copyto(distances, differing, casting="same_kind")


@numba.njit(nogil=True, error_model="numpy")  # checks for division by nought would keep it scalar
def spherical(
    differing: np.ndarray, of_queries: np.ndarray, of_codes: np.ndarray, distances: np.ndarray
) -> None:
    """|a⊕b| / (|a∧b| + 0.1), where |a∧b| = (|a| + |b| - |a⊕b|) / 2 (Heo et al., CVPR 2012).

    The paper has no 0.1, which is for codes that share no bit. Compiled, in one pass: the six that numpy
    needs take ten times as long, which is more than all the counting of bits.
    """
    for i in range(differing.shape[0]):
        for j in range(differing.shape[1]):
            shared = np.float32(of_queries[i] + of_codes[j] - differing[i, j]) * np.float32(0.5)
            distances[i, j] = np.float32(differing[i, j]) / (shared + np.float32(0.1))


def differing(queries: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> None:
    """Hamming distances of codes uint8 [Q, W] and [n, W] into ``counts`` int32 [Q, n], by FAISS."""
    a, b, found = (faiss.swig_ptr(array) for array in (queries, codes, counts))
    faiss.hammings(a, b, len(queries), len(codes), queries.shape[1], found)


def nearest(
    queries: np.ndarray,
    codes: np.ndarray,
    distance: Distance,
    k: int | None = None,
    visits: Iterable[Visit] | None = None,
    rows: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The ``k`` codes nearest to each query (None: all visited), as rows int64 and distances float32.

    ``queries`` and ``codes`` are packed, uint8 [Q, W] and [N, W]; ``rows`` uint32 [N] says which
    row of the database a code belongs to (None: its own). Without ``visits`` all is compared; none may
    be visited twice by one query. Equal distances go by row.
    """
    counts = _bits(queries)
    if visits is None:
        visits = [Visit(0, len(codes), np.arange(len(queries)))]
    nothing = np.zeros((1, codes.shape[1]), np.uint8)
    best = _Best(len(queries), k)
    # Held for all blocks: memory that is asked for anew comes page by page, which takes as long as the work.
    room = max(_FIRST * (len(queries) + 1), _NUMBERS)
    counted, weighed = np.empty(room, np.int32), np.empty(room, np.float32)
    for visit in visits:
        asked = np.concatenate([queries[visit.queries], nothing])
        start, most = visit.start, max(_FIRST, _NUMBERS // len(asked))
        length = _FIRST  # short at first, so that there soon is a worst distance to be better than
        while start < visit.stop:
            stop = min(start + length, visit.stop)
            shape = (len(asked), stop - start)
            compared, distances = (a[: math.prod(shape)].reshape(shape) for a in (counted, weighed))
            differing(asked, codes[start:stop], compared)  # with nothing: how many bits a code has
            distance(compared[:-1], counts[visit.queries], compared[-1], distances[:-1])
            at = np.arange(start, stop, dtype=np.uint32) if rows is None else rows[start:stop]
            best.add(visit.queries, distances[:-1], at)
            start, length = stop, min(2 * length, most)
    return [best.ranking(query) for query in range(len(queries))]


class _Best:
    """What is nearest so far, as numbers that sort by distance, then by row.

    The distance's bits come first, which for floats from nought on are in the order of the floats.
    """

    def __init__(self, queries: int, k: int | None) -> None:
        self.k = k
        self.keys: list[list[np.ndarray]] = [[] for _ in range(queries)]
        self.held = np.zeros(queries, np.int64)
        self.worst = np.full(queries, np.inf, np.float32)

    def add(self, queries: np.ndarray, distances: np.ndarray, rows: np.ndarray) -> None:
        """Distances float32 [Q, m] of these queries to the codes of ``rows`` uint32 [m]."""
        width = distances.shape[1]
        near = np.flatnonzero(distances <= self.worst[queries, None])
        keys = distances.ravel()[near].view(np.uint32).astype(np.uint64) << _ROW | rows[near % width]
        ends = np.searchsorted(near, width * np.arange(len(queries) + 1))
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
        self.keys[query] = []  # full rankings are large
        return (keys & np.uint64(2**32 - 1)).astype(np.int64), _distances(keys)


def _distances(keys: np.ndarray) -> np.ndarray:
    return (keys >> _ROW).astype(np.uint32).view(np.float32)


def _bits(codes: np.ndarray) -> np.ndarray:
    """How many bits each code has, int32 [n]."""
    counts = np.empty(len(codes), np.int32)
    differing(np.zeros((1, codes.shape[1]), np.uint8), codes, counts)
    return counts
