"""Product quantization: the conditions on vectors, OPQ's rotation, and the codebooks (Jégou et al. 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.search import kmeans

faiss = lazy_module("faiss")

_FEWEST = 8  # centroids of parts of two dimensions, of which FAISS computes eight distances at a time


def check(step: Step, vectors: np.ndarray) -> None:
    """Raise WorkbenchError if the step ``pq`` or ``opq`` cannot be learned from vectors [N, D]."""
    count, (n, dimensions) = int(step.args[0]), vectors.shape
    if dimensions % count:
        valid = ", ".join(str(m) for m in range(1, dimensions + 1) if dimensions % m == 0)
        raise WorkbenchError(
            f"index {step}: {dimensions} dimensions do not divide into {count} equal parts; valid: {valid}"
        )
    if n < 2:
        raise WorkbenchError(f"index {step}: codes are learned from at least two vectors, and there is {n}")
    if dimensions == 2 * count and n < _FEWEST:
        raise WorkbenchError(
            f"index {step}: parts of two dimensions need at least {_FEWEST} centroids, and there "
            f"are {n} vectors; use another number of parts"
        )
    if step.name == "opq" and n < dimensions:
        raise WorkbenchError(
            f"index {step}: a rotation of {dimensions} dimensions is learned from at least as many vectors, "
            f"and there are {n}; use pq:{count}, or reduce the dimensions first"
        )


def rotation(train: np.ndarray, count: int, bits: int, seed: int) -> Any:
    """Learn OPQ's rotation (Ge, He, Ke and Sun, CVPR 2013) for ``count`` sub-vectors, by FAISS."""
    dimensions = train.shape[1]
    matrix: Any = faiss.OPQMatrix(dimensions, count)
    quantizer = faiss.ProductQuantizer(dimensions, count, bits)
    quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed + 1, 1
    matrix.pq = quantizer
    with kmeans.one_thread():  # many small products: threads would wait for each other on a busy machine
        matrix.train(train)
    matrix.pq = None  # freed when this function returns
    return matrix


def codebooks(train: np.ndarray, count: int, bits: int, seed: int, progress: Progress) -> np.ndarray:
    """Learn 2^bits centroids for each of ``count`` parts of vectors [n, D]: [count * 2^bits, D / count]."""
    books = [
        kmeans.kmeans(np.ascontiguousarray(part), 2**bits, seed + m, progress)
        for m, part in enumerate(np.split(train, count, axis=1))
    ]
    return np.concatenate(books)
