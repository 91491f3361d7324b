"""Regions of many pictures, pooled once and kept in half precision on disk for training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.config import Step, WorkbenchError
from workbench.descriptors.attention import areas
from workbench.descriptors.bulk import ahead
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import regions as lay_regions
from workbench.features.hardware import one_thread_each
from workbench.progress import Progress, silent


@dataclass(frozen=True)
class Batch:
    """Some pictures' regions, one after the other: maxima and means [R, C], areas (shares) [R], the picture
    ``owner`` [R] that each belongs to, and the pictures' means [B, C]."""

    maxima: torch.Tensor
    means: torch.Tensor
    areas: torch.Tensor
    owner: torch.Tensor
    images: torch.Tensor


@dataclass(frozen=True)
class Regions:
    """The regions of n pictures: rows ``starts[i]`` … ``starts[i] + counts[i]`` of ``pooled`` [R, 2, C].

    ``pooled`` is memory-mapped, maximum and mean of each region; ``areas`` [R]; ``images`` [n, C].
    """

    pooled: np.ndarray
    areas: torch.Tensor
    images: torch.Tensor
    starts: np.ndarray
    counts: np.ndarray

    def batch(self, pictures: Sequence[int] | np.ndarray) -> Batch:
        """The regions of some pictures, in single precision."""
        rows = np.concatenate([np.arange(self.starts[i], self.starts[i] + self.counts[i]) for i in pictures])
        pooled = torch.from_numpy(self.pooled[rows]).float()
        owner = torch.from_numpy(np.repeat(np.arange(len(pictures)), self.counts[pictures]))
        return Batch(
            pooled[:, 0], pooled[:, 1], self.areas[rows], owner, self.images[torch.as_tensor(pictures)]
        )


def pool_once(
    batches: Iterator[tuple[list[int], torch.Tensor]],
    count: int,
    levels: int,
    folder: Path,
    progress: Progress = silent,
) -> Regions:
    """Pool the R-MAC regions of ``count`` pictures from batches of (their rows, maps [B, C, H, W]).

    Raises WorkbenchError where the disk of ``folder`` is full.
    """
    step = Step("rmac", (levels,))

    def work(
        positions: list[int], maps: torch.Tensor
    ) -> tuple[list[int], np.ndarray, torch.Tensor, np.ndarray]:
        torch.set_num_threads(1)
        with torch.no_grad():
            cells = maps.float()
            grid = lay_regions(step, *cells.shape[2:])
            both = torch.stack([pool(cells, grid, "max"), pool(cells, grid, "mean")], 2)
            return positions, both.half().numpy(), cells.mean((2, 3)), areas(grid, *cells.shape[2:]).numpy()

    starts, counts = np.zeros(count, np.int64), np.zeros(count, np.int64)
    images: list[torch.Tensor] = [torch.empty(0)] * count
    covered: list[np.ndarray] = []
    total = done = 0
    # Without a name on the disk: the file is gone with its last user, however that ends.
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        one_thread_each() as threads,
        ThreadPoolExecutor(threads) as workers,
    ):
        for positions, pooled, means, shares in ahead(workers, work, batches, threads):
            try:
                file.write(pooled.tobytes())
                file.flush()
            except OSError as error:
                raise WorkbenchError(
                    f"the regions to train on cannot be written to {str(folder)!r} "
                    f"({error.strerror or error}): free some space, or choose another place with --cache"
                ) from None
            for row, (position, mean) in enumerate(zip(positions, means, strict=True)):
                images[position] = mean
                starts[position], counts[position] = total + row * len(shares), len(shares)
            covered.append(np.tile(shares, len(positions)))
            total += len(shares) * len(positions)
            done += len(positions)
            progress("pooling regions", done, count)
        kept = np.memmap(file, np.float16, "r", shape=(total, 2, len(images[0])))
    return Regions(kept, torch.from_numpy(np.concatenate(covered)), torch.stack(images), starts, counts)
