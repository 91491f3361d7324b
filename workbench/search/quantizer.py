"""Coarse quantizers, which assign vectors to the cells of an inverted index: k-means or multi-index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.search.kmeans import (
    VECTORS_PER_CENTROID,
    chunks,
    kmeans,
    limit_threads,
    sample,
)

faiss = lazy_module("faiss")


@dataclass(frozen=True)
class CoarseQuantizer:
    """``count`` cells. Each vector belongs to one cell; a query probes its nearest cells first."""

    quantizer: Any  # a faiss.Index of the centroids
    count: int
    shared_bytes: int

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """Return the cell of each vector [n, D], int64 [n]."""
        return np.concatenate([np.empty(0, np.int64), *(self.probe(c, 1)[:, 0] for c in chunks(vectors))])

    def probe(self, queries: np.ndarray, nprobe: int) -> np.ndarray:
        """Return the ``nprobe`` nearest cells of each query [Q, D], nearest first, int64 [Q, nprobe]."""
        with limit_threads(len(queries) * self.shared_bytes // 4):
            return probe_cells(self.quantizer, np.ascontiguousarray(queries, np.float32), nprobe)


def cell_prober(quantizer: Any, nprobe: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return ``CoarseQuantizer.probe`` for the quantizer of an index, and queries float32, contiguous.

    Ties go by the number of the cell. FAISS's own multi-index, probed for many cells, returns some with
    nearly equal sums twice and omits others, so the sums of all pairs of halves are sorted here.
    """
    quantizer = faiss.downcast_index(quantizer)
    if nprobe == 1 or not isinstance(quantizer, faiss.MultiIndexQuantizer):
        return lambda queries, nprobe: np.asarray(quantizer.search(queries, nprobe)[1])
    books = faiss.vector_to_array(quantizer.pq.centroids).reshape(2, 2**quantizer.pq.nbits, -1)
    first, second = ((-2 * book.T, (book**2).sum(1)) for book in books)
    return partial(_nearest_pairs, first, second)


def _nearest_pairs(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    queries: np.ndarray,
    nprobe: int,
) -> np.ndarray:
    """The cells of a multi-index with the smallest sums of distances, int64 [Q, nprobe].

    ``first`` and ``second`` are the centroids [D/2, 2^b] of a half, times -2, and their squared lengths.
    """
    half = len(first[0])
    of_first = first[1] + queries[:, :half] @ first[0]
    of_second = second[1] + queries[:, half:] @ second[0]
    cells = np.empty((len(queries), nprobe), np.int64)
    for query in range(len(queries)):
        sums = (of_second[query][:, None] + of_first[query]).ravel()  # cell = second * 2^b + first
        nearest = sums.argpartition(nprobe - 1)[:nprobe] if nprobe < sums.size else np.arange(sums.size)
        cells[query] = nearest[np.lexsort((nearest, sums[nearest]))]
    return cells


def probe_cells(quantizer: Any, queries: np.ndarray, nprobe: int) -> np.ndarray:
    """Do the work of ``CoarseQuantizer.probe`` for the quantizer of an index."""
    return cell_prober(quantizer, nprobe)(queries, nprobe)


def shorten_centroids(cells: CoarseQuantizer, vectors: np.ndarray) -> CoarseQuantizer:
    """Scale the centroids of ``ivf`` so that the residuals of vectors [n, D] become as short as possible.

    Spherical k-means yields unit centroids, and the residual may then be longer than the vector. One
    factor for all centroids, the mean of x·c, changes neither the cells nor the order of probing.
    """
    centroids = cells.quantizer.reconstruct_n(0, cells.count)
    factor = float((vectors * centroids[cells.assign(vectors)]).sum(1).mean())
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    quantizer.add(np.float32(max(factor, 1e-3)) * centroids)
    return CoarseQuantizer(quantizer, cells.count, cells.shared_bytes)


def fit_coarse_quantizer(
    step: Step, vectors: np.ndarray, seed: int = 0, progress: Progress = silent
) -> CoarseQuantizer:
    """Learn cells from vectors [n, D] of unit length, which may be a memory map.

    ``ivf``: spherical k-means, cells by inner product (the default of FAISS is L2). ``imi``: the inverted
    multi-index (Babenko and Lempitsky, CVPR 2012): 2^b centroids for each half of the dimensions, 4^b cells.
    FAISS supports multi-index cells by L2 only, which orders the cells of a unit vector by |c|² − 2 q·c;
    the vectors in them are scored by inner product. Raises WorkbenchError on too few vectors.
    """
    n, dimensions = vectors.shape
    centroids = int(step.args[0]) if step.name == "ivf" else 2 ** int(step.args[0])
    if n < centroids:
        halves = n.bit_length() - 1
        valid = f"imi:{halves}" if step.name == "imi" and halves else f"ivf:{max(1, round(n**0.5))}"
        raise WorkbenchError(
            f"index {step}: {centroids} centroids need as many vectors, and there are {n}; use {valid}"
        )
    if step.name == "imi" and dimensions % 2:
        raise WorkbenchError(
            f"index {step}: it splits vectors in two halves, and {dimensions} dimensions cannot be halved; "
            f"reduce them first, as by pcaw:{dimensions - 1}"
        )
    train = sample(vectors, VECTORS_PER_CENTROID * centroids, seed)
    if step.name == "ivf":
        quantizer = faiss.IndexFlatIP(dimensions)
        quantizer.add(kmeans(train, centroids, seed, progress, spherical=True))
        return CoarseQuantizer(quantizer, centroids, 4 * dimensions * centroids)
    quantizer = faiss.MultiIndexQuantizer(dimensions, 2, int(step.args[0]))
    half = dimensions // 2
    books = [
        kmeans(np.ascontiguousarray(part), centroids, seed, progress)
        for part in (train[:, :half], train[:, half:])
    ]
    faiss.copy_array_to_vector(np.concatenate(books).ravel(), quantizer.pq.centroids)
    quantizer.is_trained, quantizer.ntotal = True, centroids**2
    return CoarseQuantizer(quantizer, centroids**2, 4 * dimensions * centroids)
