"""A map of a collection: its descriptors in the plane by UMAP, saved on disk."""

from __future__ import annotations

import contextlib
import json
import threading
import warnings
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np
import pandas as pd

from workbench.common.files import replacing
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.engine.description import DescribedCollection
from workbench.search.knn import nearest

NEIGHBOURS = 15  # of each image in UMAP; as MIN_DISTANCE, the default of umap-learn
MIN_DISTANCE = 0.1
MIN_IMAGES = 5  # images for UMAP; fewer are laid out by PCA
MAX_CLUSTERS = 12  # most clusters: as many as colour and shape can show
VERSION = 1  # of this computation; a new version computes all maps again
_POLL_SECONDS = 0.1  # between two checks whether the work was cancelled
_umap_lock = threading.Lock()  # numba's default threads abort the process if two threads enter them


def embedding_map(
    described: DescribedCollection, progress: Progress = silent, known_only: bool = False
) -> pd.DataFrame:
    """The map of a described collection's database: a DataFrame of image_id, x, y and cluster.

    UMAP (McInnes, Healy and Melville 2018) of the cosine distances between descriptors, rotated so that its
    longest extent lies along x; fewer than FEWEST images are laid out by PCA. ``cluster`` counts from 1, the
    largest first: k-means of the descriptors. The result is the same on every call: seeded by the options,
    and saved in the cache. ``known_only``: empty if it is not in the cache.
    """
    vectors = np.ascontiguousarray(described.database.cpu().numpy(), np.float32)
    images, options = list(described.collection.images), described.source.options
    path = options.cache / "embeddings" / f"{_key(vectors, images, options.seed)}.parquet"
    saved = _read(path, images)
    if saved is not None or known_only:
        return Table(columns=["image_id", "x", "y", "cluster"]) if saved is None else Table(saved)
    x, y = layout(vectors, options.seed, progress).T
    progress("finding clusters", 0, 0)
    frame = Table({"image_id": images, "x": x, "y": y, "cluster": clusters(vectors, options.seed)})
    progress("saving the map", 1, 1)
    _write(path, frame)
    return frame


def layout(vectors: np.ndarray, seed: int = 0, progress: Progress = silent) -> np.ndarray:
    """Unit vectors [n, D] in the plane: float32 [n, 2], centred, the longest extent along x."""
    if len(vectors) < MIN_IMAGES:
        return _principal(vectors)
    # Unlike UMAP's own search, this one is exact and can be cancelled.
    rows, cosines = nearest(vectors, min(NEIGHBOURS, len(vectors) - 1), progress)
    progress("starting UMAP", 0, 0)
    from umap import UMAP  # takes seconds: numba

    while not _umap_lock.acquire(timeout=_POLL_SECONDS):
        progress("waiting for another map", 0, 0)
    try:
        progress("laying out the map", 0, 0)
        with warnings.catch_warnings():  # that new images cannot be added, that one seed means one thread
            warnings.simplefilter("ignore")
            points = UMAP(
                n_neighbors=rows.shape[1],
                min_dist=MIN_DISTANCE,
                metric="cosine",
                precomputed_knn=(rows, 1 - cosines, None),
                random_state=seed,
                n_jobs=1,
            ).fit_transform(vectors)
    finally:
        _umap_lock.release()
    return _principal(points)


def clusters(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Spherical k-means clusters of unit vectors [n, D]: int64 [n] from 1, the largest first."""
    count = min(MAX_CLUSTERS, -(-len(vectors) // 5), len(np.unique(vectors, axis=0)))
    means = faiss.Kmeans(
        vectors.shape[1], count, niter=25, nredo=5, seed=seed, spherical=True, min_points_per_centroid=1
    )
    means.train(vectors)
    assigned = means.index.search(vectors, 1)[1][:, 0]
    sizes = np.bincount(assigned, minlength=count)
    number = np.empty(count, np.int64)
    number[np.argsort(-sizes, kind="stable")] = np.arange(1, count + 1)
    return number[assigned]


def _principal(points: np.ndarray) -> np.ndarray:
    """Points [n, D] on their first two principal axes, each directed towards its largest coordinate."""
    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    plane = np.zeros((len(points), 2))
    coordinates = centred @ axes[:2].T
    plane[:, : coordinates.shape[1]] = coordinates
    largest = plane[np.abs(plane).argmax(0), [0, 1]]
    return np.asarray(plane * np.where(largest < 0, -1, 1), np.float32)


def _key(vectors: np.ndarray, images: list[str], seed: int) -> str:
    umap_version = version("umap-learn")
    settings = [VERSION, NEIGHBOURS, MIN_DISTANCE, MAX_CLUSTERS, seed, umap_version, vectors.shape, images]
    digest = blake2b(json.dumps(settings).encode(), digest_size=16)
    digest.update(vectors.data)
    return digest.hexdigest()


def _read(path: Path, images: list[str]) -> pd.DataFrame | None:
    """The saved map; None if there is none or it is incomplete, so that it is computed again."""
    try:
        frame = pd.read_parquet(
            path, columns=["image_id", "x", "y", "cluster"], page_checksum_verification=True
        )
    except (OSError, ValueError):  # pyarrow's errors are of these kinds
        return None
    complete = list(frame["image_id"]) == images and np.isfinite(frame[["x", "y"]].to_numpy(float)).all()
    return frame if complete else None


def _write(path: Path, frame: pd.DataFrame) -> None:
    """Save the map atomically. If the cache cannot be written, the map is computed again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            frame.to_parquet(part, index=False, write_page_checksum=True)
