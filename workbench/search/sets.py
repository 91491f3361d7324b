"""Images as sets of vectors: how near each of a query's vectors comes to the nearest one of each set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import faiss
import numba
import numpy as np
import torch

from workbench.config import Step, WorkbenchError
from workbench.progress import Progress, silent
from workbench.search import indexes

_TOGETHER = 2**22  # similarities computed at a time


class Nearest(NamedTuple):
    """For each of Q vectors and each of n sets, the squared distance of the nearest member, and its row."""

    distances: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Sets:
    """Sets of unit vectors: the i-th has rows ``starts[i]`` … ``starts[i + 1]`` of ``vectors`` [R, D].

    With product codes [R, M] and their ``centroids`` [M, 256, D / M] instead, distances are from a vector to
    what stands for the members (asymmetric, Jégou, Douze and Schmid 2011); ``index`` turns queries for opq.
    """

    starts: np.ndarray
    vectors: np.ndarray | None = field(default=None, repr=False)
    codes: np.ndarray | None = field(default=None, repr=False)
    centroids: np.ndarray | None = field(default=None, repr=False)
    index: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def nearest(self, queries: np.ndarray) -> Nearest:
        """The nearest member of every set for each query [Q, D]; a set without any is infinitely far."""
        asked = np.ascontiguousarray(queries, np.float32)
        if self.vectors is not None:
            return self._exact(asked, self.vectors)
        assert self.codes is not None and self.centroids is not None
        parts, codes, starts = self.tables(asked), self.codes, self.starts
        distances = np.empty((len(asked), len(self)), np.float32)
        rows = np.empty((len(asked), len(self)), np.int64)

        def work(n: int) -> None:
            _scan(parts[n], codes, starts, distances[n], rows[n])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, range(len(asked))))
        return Nearest(distances, rows)

    def tables(self, queries: np.ndarray) -> np.ndarray:
        """Squared distances [Q, M, 256] of the parts of queries [Q, D] from all centroids."""
        assert self.centroids is not None
        parts = self.index.turned(queries).reshape(len(queries), len(self.centroids), 1, -1)
        squares = (parts**2).sum(-1) + (self.centroids**2).sum(-1)
        return np.asarray(squares - 2 * np.einsum("qmod,mkd->qmk", parts, self.centroids), np.float32)

    def members(self, number: int) -> np.ndarray:
        """The vectors [m, D] of a set as they are kept: those that its codes stand for."""
        some = slice(self.starts[number], self.starts[number + 1])
        if self.vectors is not None:
            return self.vectors[some]
        return np.stack([self.index.index.reconstruct(row) for row in range(some.start, some.stop)])

    def _exact(self, queries: np.ndarray, vectors: np.ndarray) -> Nearest:
        """By products, as many sets at a time as fit."""
        shape = len(queries), len(self)
        distances, rows = np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64)
        asked, first = torch.from_numpy(queries), 0
        while first < len(self):
            room = self.starts[first] + max(1, _TOGETHER // len(queries))
            last = max(first + 1, int(np.searchsorted(self.starts, room, "right")) - 1)
            bounds = self.starts[first : last + 1] - self.starts[first]
            some = torch.from_numpy(vectors[self.starts[first] : self.starts[last]])
            similar = (asked @ some.T).numpy()
            there = np.flatnonzero(np.diff(bounds))
            best, at = _maxima(similar, bounds[:-1][there], bounds[1:][there])
            distances[:, first + there] = np.maximum(2 - 2 * best, 0)
            rows[:, first + there] = at + self.starts[first]
            first = last
        return Nearest(distances, rows)


def build(
    vectors: np.ndarray, starts: np.ndarray, steps: Sequence[Step], seed: int = 0, progress: Progress = silent
) -> Sets:
    """Sets of unit vectors [R, D], kept as they are or, by the step ``pq`` or ``opq``, as product codes.

    Raises WorkbenchError for other indexes, and where the vectors do not fit the codes.
    """
    if not steps:
        return Sets(starts, np.ascontiguousarray(vectors, np.float32))
    if [step.name for step in steps] not in (["pq"], ["opq"]):
        raise WorkbenchError(
            f"index {','.join(map(str, steps))}: the nearest region of every image is looked for, which this "
            "index does not reach; valid: exact, pq:M, opq:M"
        )
    index: Any = indexes.build(steps, vectors, seed, progress)
    quantizer = index.inner.pq
    centroids = faiss.vector_to_array(quantizer.centroids).reshape(
        quantizer.M, quantizer.ksub, quantizer.dsub
    )
    codes = faiss.vector_to_array(index.inner.codes).reshape(len(vectors), -1)
    if quantizer.nbits != indexes.BITS:  # of few vectors: a number a byte is what the search reads
        codes = _unpacked(codes, quantizer.M, quantizer.nbits)
    return Sets(starts, None, np.ascontiguousarray(codes), centroids, index)


def _unpacked(codes: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Codes of less than 8 bits a part, which FAISS packs from the lowest bit on, as one byte a part."""
    single = np.unpackbits(codes, axis=1, bitorder="little")[:, : count * bits]
    return np.packbits(single.reshape(len(codes), count, bits), axis=2, bitorder="little")[..., 0]


@numba.njit(nogil=True, error_model="numpy", fastmath=True)
def _scan(
    tables: np.ndarray, codes: np.ndarray, starts: np.ndarray, distances: np.ndarray, rows: np.ndarray
) -> None:
    """The nearest member of each set, by codes: FAISS's scan, whose heap of results is a minimum a set."""
    parts = codes.shape[1]
    for i in range(len(starts) - 1):
        best, at = np.float32(np.inf), starts[i]
        for row in range(starts[i], starts[i + 1]):
            total = np.float32(0)
            for m in range(parts):
                total += tables[m, codes[row, m]]
            if total < best:
                best, at = total, row
        distances[i], rows[i] = best, at


@numba.njit(nogil=True, error_model="numpy")
def _maxima(similar: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The greatest of each stretch of columns, and where it is: [Q, n] each."""
    shape = len(similar), len(starts)
    best, at = np.empty(shape, np.float32), np.empty(shape, np.int64)
    for q in range(shape[0]):
        for i in range(shape[1]):
            top = starts[i]
            for column in range(starts[i] + 1, ends[i]):
                if similar[q, column] > similar[q, top]:
                    top = column
            best[q, i], at[q, i] = similar[q, top], top
    return best, at
