"""A map of a collection: its descriptors laid out in the plane by UMAP, kept on disk once made."""

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

from workbench.described import Ready
from workbench.progress import Progress, silent
from workbench.search.neighbours import nearest
from workbench.writing import replacing

NEIGHBOURS = 15  # of each image that UMAP holds together; with the distance, umap-learn's defaults
MIN_DISTANCE = 0.1
FEWEST = 5  # images from which UMAP has something to lay out
CLUSTERS = 12  # most clusters, as many as can be told apart by colour and shape
VERSION = 1  # of what is computed here; a new one makes all maps anew
_PATIENCE = 0.1  # seconds between two looks at whether the work was cancelled
_alone = threading.Lock()  # numba's default threads abort the process where two threads enter them


def embedding(ready: Ready, progress: Progress = silent, known_only: bool = False) -> pd.DataFrame:
    """The map of a described collection's database: a DataFrame of image_id, x, y and cluster.

    UMAP (McInnes, Healy and Melville 2018) of the cosine distances between descriptors, turned so that
    its longest extent lies along x; fewer than FEWEST images are laid out by PCA. ``cluster`` counts
    from 1, the largest first: k-means of the descriptors. The same on every call: seeded by the
    options, and kept in the cache. ``known_only``: empty where it was not made before.
    """
    vectors = np.ascontiguousarray(ready.database.cpu().numpy(), np.float32)
    images, options = list(ready.collection.images), ready.source.options
    path = options.cache / "embeddings" / f"{_key(vectors, images, options.seed)}.parquet"
    known = _read(path, images)
    if known is not None or known_only:
        return pd.DataFrame(columns=["image_id", "x", "y", "cluster"]) if known is None else known
    x, y = layout(vectors, options.seed, progress).T
    progress("finding clusters", 0, 0)
    frame = pd.DataFrame({"image_id": images, "x": x, "y": y, "cluster": clusters(vectors, options.seed)})
    progress("keeping the map", 1, 1)
    _write(path, frame)
    return frame


def layout(vectors: np.ndarray, seed: int = 0, progress: Progress = silent) -> np.ndarray:
    """Unit vectors [n, D] in the plane, float32 [n, 2], centred, the longest extent along x."""
    if len(vectors) < FEWEST:
        return _principal(vectors)
    # Unlike UMAP's own search, this one is exact and can be stopped.
    rows, cosines = nearest(vectors, min(NEIGHBOURS, len(vectors) - 1), progress)
    progress("starting UMAP", 0, 0)
    from umap import UMAP  # takes seconds: numba

    while not _alone.acquire(timeout=_PATIENCE):
        progress("waiting for another map", 0, 0)
    try:
        progress("laying out the map", 0, 0)
        with warnings.catch_warnings():  # that new images cannot be added, that one seed means one thread
            warnings.simplefilter("ignore")
            placed = UMAP(
                n_neighbors=rows.shape[1],
                min_dist=MIN_DISTANCE,
                metric="cosine",
                precomputed_knn=(rows, 1 - cosines, None),
                random_state=seed,
                n_jobs=1,
            ).fit_transform(vectors)
    finally:
        _alone.release()
    return _principal(placed)


def clusters(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Spherical k-means clusters of unit vectors [n, D], int64 [n] from 1, the largest first."""
    wanted = min(CLUSTERS, -(-len(vectors) // 5), len(np.unique(vectors, axis=0)))
    means = faiss.Kmeans(
        vectors.shape[1], wanted, niter=25, nredo=5, seed=seed, spherical=True, min_points_per_centroid=1
    )
    means.train(vectors)
    found = means.index.search(vectors, 1)[1][:, 0]
    sizes = np.bincount(found, minlength=wanted)
    place = np.empty(wanted, np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(1, wanted + 1)
    return place[found]


def _principal(points: np.ndarray) -> np.ndarray:
    """Points [n, D] on their first two principal axes, each pointing to its largest coordinate."""
    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    placed = np.zeros((len(points), 2))
    found = centred @ axes[:2].T
    placed[:, : found.shape[1]] = found
    largest = placed[np.abs(placed).argmax(0), [0, 1]]
    return np.asarray(placed * np.where(largest < 0, -1, 1), np.float32)


def _key(vectors: np.ndarray, images: list[str], seed: int) -> str:
    about = [VERSION, NEIGHBOURS, MIN_DISTANCE, CLUSTERS, seed, version("umap-learn"), vectors.shape, images]
    digest = blake2b(json.dumps(about).encode(), digest_size=16)
    digest.update(vectors.data)
    return digest.hexdigest()


def _read(path: Path, images: list[str]) -> pd.DataFrame | None:
    """The map kept there; None where there is none, or no whole one, which is then made again."""
    try:
        frame = pd.read_parquet(path, columns=["image_id", "x", "y", "cluster"])
    except (OSError, ValueError):  # pyarrow's errors are of these kinds
        return None
    whole = list(frame["image_id"]) == images and np.isfinite(frame[["x", "y"]].to_numpy(float)).all()
    return frame if whole else None


def _write(path: Path, frame: pd.DataFrame) -> None:
    """Keep the map, whole or not at all. A cache that cannot be written costs time, not the map."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            frame.to_parquet(part, index=False)
