"""What does a region find? Its nearest regions in a whole collection, by exact search."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.config import Config, WorkbenchError
from workbench.described import Ready, mapped
from workbench.descriptors.bulk import Described, ahead
from workbench.descriptors.describe import Parts, Pooled, apply_step, finished, pooled, split_steps
from workbench.features.hardware import one_thread_each
from workbench.progress import Progress

MOST_BYTES = 2**28  # of region vectors that are kept for the next question


class Chunk(NamedTuple):
    """Region vectors [B, N, D] of images (rows [B]) of one shape, and their boxes [B, N, 4] as fractions."""

    rows: list[int]
    boxes: np.ndarray
    vectors: torch.Tensor


def pools_of(maps: torch.Tensor, ready: Ready) -> Pooled:
    """The regions of maps [B, C, H, W], without their weights: each is to count for what it is."""
    return pooled(maps, ready.config, None, ready.described.proposals)


def region_parts(pools: Pooled, config: Config, described: Described) -> Parts:
    """Each region described as an image of that region alone would be: parts [B, N, D] of unit length.

    That is, the vector steps of the pipeline, regional and final, without the sum over regions.
    """
    parts = Parts(pools.vectors)
    for step, whitening in zip(split_steps(config)[0], described.regional, strict=True):
        parts = apply_step(parts, step, whitening, together=False)
    shape = parts.linear.shape[:2]
    alone = finished(_each(parts, lambda one: one.flatten(0, 1)[:, None]), config, described.final)
    return _each(alone, lambda one: one[:, 0].unflatten(0, shape))


def _each(parts: Parts, shaped: Callable[[torch.Tensor], torch.Tensor]) -> Parts:
    offset = shaped(parts.offset) if isinstance(parts.offset, torch.Tensor) else parts.offset
    return Parts(shaped(parts.linear), offset)


def region_vectors(pools: Pooled, config: Config, described: Described) -> torch.Tensor:
    """As ``region_parts``, the vectors [B, N, D] alone."""
    return region_parts(pools, config, described).total


class RegionSearch:
    """Remembers the regions of the pipeline that was asked last, where they fit into MOST_BYTES."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[Ready, list[Chunk]] | None = None

    def nearest(
        self,
        ready: Ready,
        maps: torch.Tensor,
        region: int,
        k: int,
        path: Path | None,
        progress: Progress,
    ) -> pd.DataFrame:
        """The ``k`` regions of the collection most like one region of a map [1, C, H, W], one an image.

        Of the first scale. Columns: rank, image_id, x0, y0, x1, y1 (fractions of the image), score.
        The image of that ``path``, which the region is from, is left out. Raises WorkbenchError for an
        unknown region.
        """
        with torch.no_grad():
            if k < 1:
                raise WorkbenchError(f"k is {k}; it is the number of regions to find, from 1")
            query = region_vectors(pools_of(maps, ready), ready.config, ready.described)[0]
            if not 0 <= region < len(query):
                raise WorkbenchError(
                    f"region {region} is not in this image; its regions are 0 to {len(query) - 1}"
                )
            ids = ready.collection.images
            scores, boxes = np.full(len(ids), -np.inf), np.zeros((len(ids), 4))
            for chunk in self.chunks(ready, progress):
                similar = chunk.vectors @ query[region]
                best = similar.argmax(1)
                scores[chunk.rows] = similar.gather(1, best[:, None])[:, 0].numpy()
                boxes[chunk.rows] = np.take_along_axis(chunk.boxes, best.numpy()[:, None, None], 1)[:, 0]
        own = [row for row, image in enumerate(ids) if ready.collection.path(image) == path]
        scores[own] = -np.inf
        order = np.argsort(-scores, kind="stable")[:k]
        order = order[np.isfinite(scores[order])]
        found = pd.DataFrame({"rank": np.arange(1, len(order) + 1), "image_id": [ids[row] for row in order]})
        found[["x0", "y0", "x1", "y1"]] = boxes[order]
        return found.assign(score=scores[order])

    def chunks(self, ready: Ready, progress: Progress) -> Iterator[Chunk]:
        """The regions of all images of the database, a batch at a time."""
        with self._lock:
            known = self._kept
        if known is not None and known[0] is ready:
            yield from known[1]
            return

        def work(rows: list[int], maps: torch.Tensor) -> Chunk:
            torch.set_num_threads(1)
            with torch.no_grad():
                pools = pools_of(maps.float(), ready)
                vectors = region_vectors(pools, ready.config, ready.described)
            boxes = pools.regions / np.array([*maps.shape[:1:-1]] * 2, float)
            return Chunk(rows, np.broadcast_to(boxes, (len(rows), *boxes.shape[-2:])), vectors)

        kept: list[Chunk] = []
        size, done, count = 0, 0, len(ready.collection.images)
        with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
            for chunk in ahead(pool, work, mapped(ready.source).batches(ready.keys[0][:count], 0), threads):
                size += chunk.vectors.nbytes
                if size <= MOST_BYTES:
                    kept.append(chunk)
                else:
                    kept.clear()
                yield chunk
                done += len(chunk.rows)
                progress("describing regions", done, count)
        if size <= MOST_BYTES:
            with self._lock:
                self._kept = ready, kept
