"""Images as sets of region vectors: the distance from each query vector to the nearest member of each set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.common.lazy import compiled, lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.search import faiss_index

faiss = lazy_module("faiss")

_BATCH_SIMILARITIES = 2**22  # in memory at a time


class NearestMembers(NamedTuple):
    """Squared distances [Q, n] of Q query vectors to the nearest members of n sets, and their rows [Q, n]."""

    distances: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class RegionSetIndex:
    """Sets of unit vectors: the i-th set is rows ``starts[i]`` … ``starts[i + 1]`` of ``vectors`` [R, D].

    Alternatively product codes [R, M] with ``centroids`` [M, 256, D / M]: distances are then asymmetric, from
    a vector to the reconstructed members (Jégou, Douze and Schmid 2011); ``index`` rotates queries for opq.
    """

    starts: np.ndarray
    vectors: np.ndarray | None = field(default=None, repr=False)
    codes: np.ndarray | None = field(default=None, repr=False)
    centroids: np.ndarray | None = field(default=None, repr=False)
    index: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def nearest(self, queries: np.ndarray) -> NearestMembers:
        """Find the nearest member of every set for each query [Q, D]; empty sets are infinitely far."""
        vectors = np.ascontiguousarray(queries, np.float32)
        if self.vectors is not None:
            return self._exact(vectors, self.vectors)
        assert self.codes is not None and self.centroids is not None
        parts, codes, starts = self.tables(vectors), self.codes, self.starts
        distances = np.empty((len(vectors), len(self)), np.float32)
        rows = np.empty((len(vectors), len(self)), np.int64)

        def scan_query(query: int) -> None:
            _scan(parts[query], codes, starts, distances[query], rows[query])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(scan_query, range(len(vectors))))
        return NearestMembers(distances, rows)

    def tables(self, queries: np.ndarray) -> np.ndarray:
        """Compute squared distances [Q, M, 256] from the sub-vectors of queries [Q, D] to all centroids."""
        assert self.centroids is not None
        parts = self.index.turned(queries).reshape(len(queries), len(self.centroids), 1, -1)
        squares = (parts**2).sum(-1) + (self.centroids**2).sum(-1)
        return np.asarray(squares - 2 * np.einsum("qmod,mkd->qmk", parts, self.centroids), np.float32)

    def members(self, number: int) -> np.ndarray:
        """Return the vectors [m, D] of a set as stored; codes are reconstructed."""
        rows = slice(self.starts[number], self.starts[number + 1])
        if self.vectors is not None:
            return self.vectors[rows]
        return np.stack([self.index.index.reconstruct(row) for row in range(rows.start, rows.stop)])

    def _exact(self, queries: np.ndarray, vectors: np.ndarray) -> NearestMembers:
        """Search by matrix products, in batches of sets."""
        shape = len(queries), len(self)
        distances, rows = np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64)
        query_tensor, first = torch.from_numpy(queries), 0
        while first < len(self):
            limit = self.starts[first] + max(1, _BATCH_SIMILARITIES // len(queries))
            last = max(first + 1, int(np.searchsorted(self.starts, limit, "right")) - 1)
            bounds = self.starts[first : last + 1] - self.starts[first]
            batch = torch.from_numpy(vectors[self.starts[first] : self.starts[last]])
            similarities = (query_tensor @ batch.T).numpy()
            filled = np.flatnonzero(np.diff(bounds))
            best, columns = maxima(similarities, bounds[:-1][filled], bounds[1:][filled])
            distances[:, first + filled] = np.maximum(2 - 2 * best, 0)
            rows[:, first + filled] = columns + self.starts[first]
            first = last
        return NearestMembers(distances, rows)


def build(
    vectors: np.ndarray, starts: np.ndarray, steps: Sequence[Step], seed: int = 0, progress: Progress = silent
) -> RegionSetIndex:
    """Build sets of unit vectors [R, D], stored as they are or as product codes (step ``pq`` or ``opq``).

    Raises WorkbenchError for other indexes, and if the vectors do not fit the codes.
    """
    if not steps:
        return RegionSetIndex(starts, np.ascontiguousarray(vectors, np.float32))
    if [step.name for step in steps] not in (["pq"], ["opq"]):
        raise WorkbenchError(
            f"index {','.join(map(str, steps))}: it cannot find the nearest region of every image; "
            "valid: exact, pq:M, opq:M"
        )
    index: Any = faiss_index.build(steps, vectors, seed, progress)
    quantizer = index.inner.pq
    centroids = faiss.vector_to_array(quantizer.centroids).reshape(
        quantizer.M, quantizer.ksub, quantizer.dsub
    )
    codes = faiss.vector_to_array(index.inner.codes).reshape(len(vectors), -1)
    if quantizer.nbits != faiss_index.BITS:  # few vectors; the search reads one byte per sub-vector
        codes = _unpacked(codes, quantizer.M, quantizer.nbits)
    return RegionSetIndex(starts, None, np.ascontiguousarray(codes), centroids, index)


def _unpacked(codes: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Unpack codes of fewer than 8 bits a part (FAISS packs the lowest bit first) to one byte a part."""
    single = np.unpackbits(codes, axis=1, bitorder="little")[:, : count * bits]
    return np.packbits(single.reshape(len(codes), count, bits), axis=2, bitorder="little")[..., 0]


@compiled(nogil=True, error_model="numpy", fastmath=True)
def _scan(
    tables: np.ndarray, codes: np.ndarray, starts: np.ndarray, distances: np.ndarray, rows: np.ndarray
) -> None:
    """Find the nearest member of each set by codes, as FAISS scans them, with one minimum per set."""
    parts = codes.shape[1]
    for i in range(len(starts) - 1):
        best, nearest_row = np.float32(np.inf), starts[i]
        for row in range(starts[i], starts[i + 1]):
            total = np.float32(0)
            for m in range(parts):
                total += tables[m, codes[row, m]]
            if total < best:
                best, nearest_row = total, row
        distances[i], rows[i] = best, nearest_row


@compiled(nogil=True, error_model="numpy")
def maxima(similarities: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the maximum of each range of columns and its column: [Q, n] each."""
    shape = len(similarities), len(starts)
    best, columns = np.empty(shape, np.float32), np.empty(shape, np.int64)
    for q in range(shape[0]):
        for i in range(shape[1]):
            top = starts[i]
            for column in range(starts[i] + 1, ends[i]):
                if similarities[q, column] > similarities[q, top]:
                    top = column
            best[q, i], columns[q, i] = similarities[q, top], top
    return best, columns
