"""A map of a collection: its descriptors in the plane or in space, saved on disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.analysis.map_layout import PCA_FIRST, layout
from workbench.analysis.map_method import MapMethod
from workbench.common.drawable import draw
from workbench.common.files import replacing
from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.engine.description import DescribedCollection

faiss = lazy_module("faiss")

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_CLUSTERS = 12  # most clusters
VERSION = 1  # of this computation; a new version computes all maps again


class EmbeddingMap(Table):
    """The map of a collection: a table of image_id, x, y (z in 3-D) and cluster.

    ``attrs`` says how it was made: ``collection``, ``pipeline``, ``method`` ("umap", "pca" or "tsne"),
    ``dimensions``, ``parameters`` and, of PCA, ``explained_variance``, the share of each axis.
    """

    @property
    def _constructor(self) -> Callable[..., EmbeddingMap]:
        return EmbeddingMap

    def figure(self, colour: Any = "cluster") -> Figure:
        """The images as points, coloured by a column, or by labels or numbers of the images.

        Labels and numbers are a mapping or a Series by image_id, or a sequence in the order of the table.
        """
        return draw("embedding", self, colour=colour)


def embedding_map(
    described: DescribedCollection,
    progress: Progress = silent,
    known_only: bool = False,
    method: MapMethod | None = None,
) -> EmbeddingMap:
    """The map of a described collection's database.

    The positions are those of ``layout``. ``cluster`` counts from 1, the largest first: k-means of the
    descriptors. The result is the same on every call: seeded by the options, and saved in the cache.
    ``known_only``: empty if it is not in the cache.
    """
    method = method or MapMethod()
    vectors = np.ascontiguousarray(described.database.cpu().numpy(), np.float32)
    images, options = list(described.collection.images), described.source.options
    path = options.cache / "embeddings" / f"{_key(vectors, images, options.seed, method)}.parquet"
    axes = list("xyz"[: method.dimensions])
    columns = ["image_id", *axes, "cluster"]
    frame = _read(path, images, columns)
    if frame is None and not known_only:
        positions, details = layout(vectors, options.seed, progress, method)
        progress("finding clusters", 0, 0)
        laid_out: dict[str, Any] = {"image_id": images, **dict(zip(axes, positions.T, strict=True))}
        frame = pd.DataFrame(laid_out)
        frame["cluster"] = clusters(vectors, options.seed)
        frame.attrs = details
        progress("saving the map", 1, 1)
        _write(path, frame)
    table = EmbeddingMap(columns=columns) if frame is None else EmbeddingMap(frame)
    name, parameters = method.used(len(images))
    attrs: dict[Any, Any] = {
        "collection": described.collection.name,
        "pipeline": str(described.config),
        "method": name,
        "dimensions": method.dimensions,
        "parameters": parameters,
    }
    table.attrs = attrs if frame is None else {**attrs, **frame.attrs}
    return table


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


def _key(vectors: np.ndarray, images: list[str], seed: int, method: MapMethod) -> str:
    settings: list[Any]
    if method.method == "umap":
        settings = [method.neighbours, method.min_distance, MAX_CLUSTERS, seed, version("umap-learn")]
    elif method.method == "tsne":
        settings = ["tsne", method.perplexity, PCA_FIRST, MAX_CLUSTERS, seed, version("scikit-learn")]
    else:
        settings = ["pca", MAX_CLUSTERS, seed]
    if method.dimensions != 2:  # maps in the plane keep the key that they had when there was no other map
        settings.insert(0, method.dimensions)
    digest = blake2b(json.dumps([VERSION, *settings, vectors.shape, images]).encode(), digest_size=16)
    digest.update(vectors.data)
    return digest.hexdigest()


def _read(path: Path, images: list[str], columns: list[str]) -> pd.DataFrame | None:
    """The saved map; None if there is none or it is incomplete, so that it is computed again."""
    try:
        frame = pd.read_parquet(path, columns=columns, page_checksum_verification=True)
    except (OSError, ValueError):  # pyarrow's errors are of these kinds
        return None
    complete = list(frame["image_id"]) == images and np.isfinite(frame[columns[1:-1]].to_numpy(float)).all()
    return frame if complete else None


def _write(path: Path, frame: pd.DataFrame) -> None:
    """Save the map atomically. If the cache cannot be written, the map is computed again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            frame.to_parquet(part, index=False, write_page_checksum=True)
