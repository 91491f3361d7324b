"""Find the regions of a collection that are nearest to one region, by exact search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.common.progress import Progress
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import (
    Parts,
    PooledRegions,
    apply_final_steps,
    apply_step,
    pool_regions,
    split_steps,
)
from workbench.descriptors.description import Descriptors
from workbench.engine.description import DescribedCollection, require_maps
from workbench.features.device import map_in_order, single_threaded_operations

MAX_BYTES = 2**28  # most bytes of region vectors that are kept for the next search


class Chunk(NamedTuple):
    """Region vectors [B, N, D] of images (rows [B]) of one shape, and their boxes [B, N, 4] as fractions."""

    rows: list[int]
    boxes: np.ndarray
    vectors: torch.Tensor


def pool_image_regions(maps: torch.Tensor, described: DescribedCollection) -> PooledRegions:
    """The regions of maps [B, C, H, W] without their weights: each region is searched on its own."""
    return pool_regions(maps, described.config, None, described.descriptors.proposals)


def region_parts(pools: PooledRegions, config: Config, descriptors: Descriptors) -> Parts:
    """Describe each region as if it were a whole image: parts [B, N, D] of unit length.

    That is, apply the vector steps of the pipeline, regional and final, without the sum over regions.
    """
    parts = Parts(pools.vectors)
    for step, whitening in zip(split_steps(config)[0], descriptors.regional, strict=True):
        parts = apply_step(parts, step, whitening, together=False)
    shape = parts.linear.shape[:2]
    as_images = _reshaped(parts, lambda tensor: tensor.flatten(0, 1)[:, None])
    described = apply_final_steps(as_images, config, descriptors.final)
    return _reshaped(described, lambda tensor: tensor[:, 0].unflatten(0, shape))


def _reshaped(parts: Parts, reshape: Callable[[torch.Tensor], torch.Tensor]) -> Parts:
    offset = reshape(parts.offset) if isinstance(parts.offset, torch.Tensor) else parts.offset
    return Parts(reshape(parts.linear), offset)


def region_vectors(pools: PooledRegions, config: Config, descriptors: Descriptors) -> torch.Tensor:
    """The vectors [B, N, D] of ``region_parts``."""
    return region_parts(pools, config, descriptors).total


class RegionSearch:
    """Search regions, and keep those of the last pipeline in memory if they fit into MOST_BYTES."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: tuple[DescribedCollection, list[Chunk]] | None = None

    def nearest(
        self,
        described: DescribedCollection,
        maps: torch.Tensor,
        region: int,
        k: int,
        path: Path | None,
        progress: Progress,
    ) -> pd.DataFrame:
        """The ``k`` images with the regions most similar to one region of a map [1, C, H, W].

        At the first scale. Columns: rank, image_id, x0, y0, x1, y1 (fractions of the image), score. The image
        at ``path``, which the region is from, is left out. Raises WorkbenchError for an unknown region or k <
        1.
        """
        with torch.no_grad():
            if k < 1:
                raise WorkbenchError(f"k is {k}; it is the number of regions to find, from 1")
            pools = pool_image_regions(maps, described)
            query = region_vectors(pools, described.config, described.descriptors)[0]
            if not 0 <= region < len(query):
                raise WorkbenchError(
                    f"region {region} is not in this image; its regions are 0 to {len(query) - 1}"
                )
            ids = described.collection.images
            scores, boxes = np.full(len(ids), -np.inf), np.zeros((len(ids), 4))
            for chunk in self.chunks(described, progress):
                similarities = chunk.vectors @ query[region]
                best = similarities.argmax(1)
                scores[chunk.rows] = similarities.gather(1, best[:, None])[:, 0].numpy()
                boxes[chunk.rows] = np.take_along_axis(chunk.boxes, best.numpy()[:, None, None], 1)[:, 0]
        left_out = [row for row, image in enumerate(ids) if described.collection.path(image) == path]
        scores[left_out] = -np.inf
        order = np.argsort(-scores, kind="stable")[:k]
        order = order[np.isfinite(scores[order])]
        table = Table({"rank": np.arange(1, len(order) + 1), "image_id": [ids[row] for row in order]})
        table[["x0", "y0", "x1", "y1"]] = boxes[order]
        return table.assign(score=scores[order])

    def chunks(self, described: DescribedCollection, progress: Progress) -> Iterator[Chunk]:
        """The regions of all images of the database, a batch at a time."""
        with self._lock:
            cached = self._cached
        if cached is not None and cached[0] is described:
            yield from cached[1]
            return

        def describe_chunk(rows: list[int], maps: torch.Tensor) -> Chunk:
            torch.set_num_threads(1)
            with torch.no_grad():
                pools = pool_image_regions(maps.float(), described)
                vectors = region_vectors(pools, described.config, described.descriptors)
            boxes = pools.regions / np.array([*maps.shape[:1:-1]] * 2, float)
            return Chunk(rows, np.broadcast_to(boxes, (len(rows), *boxes.shape[-2:])), vectors)

        chunks: list[Chunk] = []
        size, done, count = 0, 0, len(described.collection.images)
        batches = require_maps(described.source).batches(described.keys[0][:count], 0)
        with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
            for chunk in map_in_order(pool, describe_chunk, batches, threads):
                size += chunk.vectors.nbytes
                if size <= MAX_BYTES:
                    chunks.append(chunk)
                else:
                    chunks.clear()
                yield chunk
                done += len(chunk.rows)
                progress("describing regions", done, count)
        if size <= MAX_BYTES:
            with self._lock:
                self._cached = described, chunks
