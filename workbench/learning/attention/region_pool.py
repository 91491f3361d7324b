"""Pooled regions of many pictures, computed once and kept in half precision on disk for training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.descriptors.attention import areas, centre_weights, places
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import regions as grid_of
from workbench.features.device import map_in_order, single_threaded_operations


@dataclass(frozen=True)
class RegionBatch:
    """The R regions of B pictures, one picture after the other.

    ``maxima`` and ``means`` [R, C], ``areas`` [R] as shares of the map, ``centre`` [R] the centre prior,
    ``places`` [R, 4], ``owner`` [R] the row of the picture of each region, and ``images`` [B, C] the means of
    the pictures.
    """

    maxima: torch.Tensor
    means: torch.Tensor
    areas: torch.Tensor
    centre: torch.Tensor
    places: torch.Tensor
    owner: torch.Tensor
    images: torch.Tensor


@dataclass(frozen=True)
class RegionPool:
    """The regions of n pictures: rows ``starts[i]`` … ``starts[i] + counts[i]`` of ``pooled`` [R, 2, C].

    ``pooled`` is memory-mapped, the maximum and the mean of each region; ``boxes`` [R, 6] the area,
    the centre prior and the place of each; ``images`` [n, C].
    """

    pooled: np.ndarray
    boxes: torch.Tensor
    images: torch.Tensor
    starts: np.ndarray
    counts: np.ndarray

    def batch(self, pictures: Sequence[int] | np.ndarray) -> RegionBatch:
        """The regions of the pictures of these rows, in single precision."""
        rows = np.concatenate([np.arange(self.starts[i], self.starts[i] + self.counts[i]) for i in pictures])
        pooled = torch.from_numpy(self.pooled[rows]).float()
        owner = torch.from_numpy(np.repeat(np.arange(len(pictures)), self.counts[pictures]))
        images = self.images[torch.as_tensor(pictures)]
        maxima, means = pooled.unbind(1)
        boxes = self.boxes[rows]
        return RegionBatch(maxima, means, boxes[:, 0], boxes[:, 1], boxes[:, 2:], owner, images)


def pool_regions(
    batches: Iterator[tuple[list[int], torch.Tensor]],
    count: int,
    levels: int,
    folder: Path,
    progress: Progress = silent,
) -> RegionPool:
    """Pool the R-MAC regions of ``count`` pictures from batches of (their rows, maps [B, C, H, W]).

    Raises WorkbenchError if the disk of ``folder`` is full.
    """
    step = Step("rmac", (levels,))

    def pool_batch(
        rows: list[int], maps: torch.Tensor
    ) -> tuple[list[int], np.ndarray, torch.Tensor, torch.Tensor]:
        torch.set_num_threads(1)
        with torch.no_grad():
            cells = maps.float()
            grid = grid_of(step, *cells.shape[2:])
            pooled = torch.stack([pool(cells, grid, "max"), pool(cells, grid, "mean")], 2)
            sides = cells.shape[2:]
            shares = torch.stack([areas(grid, *sides), centre_weights(grid, *sides)], 1)
            boxes = torch.cat([shares, places(grid, *sides)], 1)
            return rows, pooled.half().numpy(), cells.mean((2, 3)), boxes

    starts, counts = np.zeros(count, np.int64), np.zeros(count, np.int64)
    images: list[torch.Tensor] = [torch.empty(0)] * count
    all_boxes: list[torch.Tensor] = []
    total = done = 0
    # A file without a name: the system deletes it after its last user, however that ends.
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        single_threaded_operations() as threads,
        ThreadPoolExecutor(threads) as workers,
    ):
        for rows, pooled, means, boxes in map_in_order(workers, pool_batch, batches, threads):
            try:
                file.write(pooled.tobytes())
                file.flush()
            except OSError as error:
                raise WorkbenchError(
                    f"the regions to train on cannot be written to {str(folder)!r} "
                    f"({error.strerror or error}): free some space, or choose another place with --cache"
                ) from None
            for position, (row, mean) in enumerate(zip(rows, means, strict=True)):
                images[row] = mean
                starts[row], counts[row] = total + position * len(boxes), len(boxes)
            all_boxes.append(boxes.repeat(len(rows), 1))
            total += len(boxes) * len(rows)
            done += len(rows)
            progress("pooling regions", done, count)
        stored = np.memmap(file, np.float16, "r", shape=(total, 2, len(images[0])))
    return RegionPool(stored, torch.cat(all_boxes), torch.stack(images), starts, counts)
