"""Vectors laid out in the plane or in space by UMAP, PCA or t-SNE."""

from __future__ import annotations

import threading
import warnings
from typing import Any, NamedTuple

import numpy as np

from workbench.analysis.map_method import MapMethod
from workbench.analysis.principal_axes import principal
from workbench.common.progress import Progress, silent
from workbench.search.knn import nearest

PCA_FIRST = 50  # dimensions to which t-SNE's input is reduced, as scikit-learn's documentation recommends
_POLL_SECONDS = 0.1  # between two checks whether the work was cancelled
_umap_lock = threading.Lock()  # numba's default threads abort the process if two threads enter them


class Layout(NamedTuple):
    """Positions [n, dimensions], centred, the longest extent along x, and the method that made them.

    ``details`` has ``method``, ``dimensions``, ``parameters`` and, of PCA, ``explained_variance``: the share
    of each axis.
    """

    positions: np.ndarray
    details: dict[Any, Any]


def layout(
    vectors: np.ndarray, seed: int = 0, progress: Progress = silent, method: MapMethod | None = None
) -> Layout:
    """Lay out unit vectors [n, D]; fewer than MIN_IMAGES by PCA. The result depends on the seed only.

    Cancelling stops the search for neighbours and the principal axes at once, and the optimisation of UMAP or
    t-SNE, which has no way to stop, at its end.
    """
    method = method or MapMethod()
    name, parameters = method.used(len(vectors))
    details: dict[Any, Any] = {"method": name, "dimensions": method.dimensions, "parameters": parameters}
    if name == "pca":
        positions, shares = principal(vectors, method.dimensions, progress)
        return Layout(positions, details | {"explained_variance": shares.tolist()})
    if name == "tsne":
        points = _tsne(vectors, seed, progress, method.dimensions, **parameters)
    else:
        points = _umap(vectors, seed, progress, method.dimensions, **parameters)
    return Layout(principal(points, method.dimensions)[0], details)


def _umap(
    vectors: np.ndarray,
    seed: int,
    progress: Progress,
    dimensions: int,
    neighbours: int,
    min_distance: float,
) -> np.ndarray:
    """UMAP (McInnes, Healy and Melville 2018) of the cosine distances."""
    # Unlike UMAP's own search, this one is exact and can be cancelled.
    rows, cosines = nearest(vectors, neighbours, progress)
    progress("starting UMAP", 0, 0)
    from umap import UMAP  # takes seconds: numba

    while not _umap_lock.acquire(timeout=_POLL_SECONDS):
        progress("waiting for another map", 0, 0)
    try:
        progress("laying out the map", 0, 0)
        with warnings.catch_warnings():  # that new images cannot be added, that one seed means one thread
            warnings.simplefilter("ignore")
            return UMAP(
                n_components=dimensions,
                n_neighbors=rows.shape[1],
                min_dist=min_distance,
                metric="cosine",
                precomputed_knn=(rows, 1 - cosines, None),
                random_state=seed,
                n_jobs=1,
            ).fit_transform(vectors)
    finally:
        _umap_lock.release()


def _tsne(
    vectors: np.ndarray, seed: int, progress: Progress, dimensions: int, perplexity: float
) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008; Barnes-Hut, 2014) of at most PCA_FIRST principal axes.

    The options are scikit-learn's defaults: 1,000 iterations, the first 250 with an exaggeration of 12,
    angle 0.5, started from the first principal axes. The learning rate is n / 48 (Belkina et al. 2019), in
    the plane at least 50; in space at least 10, as 50 makes maps of some 60 images diverge.
    """
    points = vectors
    if vectors.shape[1] > PCA_FIRST:
        points = principal(vectors, PCA_FIRST, progress)[0]
    start = principal(vectors, dimensions, progress)[0]
    spread = start[:, 0].std()
    if spread == 0:  # all vectors are equal
        return start
    progress("starting t-SNE", 0, 0)
    from sklearn.manifold import TSNE

    progress("laying out the map", 0, 0)
    return TSNE(
        n_components=dimensions,
        perplexity=perplexity,
        learning_rate="auto" if dimensions == 2 else max(len(vectors) / 48, 10.0),
        init=np.asarray(start / spread * 1e-4, np.float32),  # as scikit-learn scales it
        random_state=seed,
        n_jobs=1,
    ).fit_transform(points)
