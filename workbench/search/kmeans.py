"""k-means, and the threads that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent

faiss = lazy_module("faiss")

ROUNDS = 20  # of k-means
VECTORS_PER_CENTROID = 256  # training vectors per centroid, at most
_CHUNK = 2**16  # vectors read at a time
_UNLIMITED = nullcontext()
SMALL = 2**28  # multiplications below which one thread is faster than starting several on a busy machine


def kmeans(
    vectors: np.ndarray,
    count: int,
    seed: int,
    progress: Progress = silent,
    spherical: bool = False,
    rounds: int = ROUNDS,
) -> np.ndarray:
    """Return k-means centroids float32 [count, D] of vectors [n, D]; can be cancelled between iterations."""
    centroids: np.ndarray | None = None
    for completed in range(rounds):
        progress("training centroids", completed, rounds)
        clustering = faiss.Kmeans(
            vectors.shape[1],
            count,
            niter=1,
            seed=seed,
            spherical=spherical,
            min_points_per_centroid=1,
            max_points_per_centroid=max(1, len(vectors)),
        )
        with limit_threads(vectors.size * count):
            clustering.train(vectors, init_centroids=centroids)
        if centroids is not None and np.array_equal(centroids, clustering.centroids):
            break
        centroids = clustering.centroids
    assert centroids is not None
    return np.ascontiguousarray(centroids, np.float32)


def two_level_kmeans(
    vectors: np.ndarray, count: int, seed: int, progress: Progress = silent, rounds: int = ROUNDS
) -> np.ndarray:
    """Return ``count`` centroids of vectors [n, D], n ≥ count, by k-means in cells of a first k-means.

    The tree of Nistér and Stewénius (CVPR 2006) with two levels: √count cells, of which each gets centroids
    in proportion to its vectors. It takes √count times less than k-means.
    """
    cells = round(count**0.5)
    coarse = faiss.IndexFlatL2(vectors.shape[1])
    coarse.add(kmeans(vectors, cells, seed, progress, rounds=rounds))
    with limit_threads(vectors.size * cells):
        cell = np.concatenate([coarse.search(chunk, 1)[1][:, 0] for chunk in chunks(vectors)])
    exact = np.bincount(cell, minlength=cells) * (count / len(vectors))
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    parts = []
    for number in np.flatnonzero(shares).tolist():
        progress("training centroids", number, cells)
        parts.append(kmeans(vectors[cell == number], int(shares[number]), seed, rounds=rounds))
    return np.concatenate(parts)


def sample(vectors: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Draw at most ``limit`` vectors without replacement, in their order, as float32."""
    if len(vectors) > limit:
        rows = np.sort(np.random.default_rng(seed).choice(len(vectors), limit, replace=False))
        vectors = vectors[rows]
    return np.ascontiguousarray(vectors, np.float32)


def limit_threads(multiplications: int) -> AbstractContextManager[None]:
    """Limit FAISS to one thread if there is little to compute; otherwise use all threads."""
    if multiplications >= SMALL or faiss.omp_get_max_threads() == 1:
        return _UNLIMITED
    return one_thread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit FAISS to the calling thread; other threads of the process keep their setting."""
    previous = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(previous)


def chunks(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the vectors in chunks, float32."""
    for start in range(0, len(vectors), _CHUNK):
        yield np.ascontiguousarray(vectors[start : start + _CHUNK], np.float32)
