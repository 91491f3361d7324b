"""Regions of many pictures, pooled once and kept in half precision on disk for training."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.config import Step, WorkbenchError
from workbench.descriptors.attention import areas
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import regions as lay_regions
from workbench.features.maps import MapSource
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
    source: MapSource, keys: Sequence[str], levels: int, folder: Path, progress: Progress = silent
) -> Regions:
    """Pool the R-MAC regions of stored maps. Raises WorkbenchError where the disk of ``folder`` is full."""
    step = Step("rmac", (levels,))
    starts, counts = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    images = torch.zeros(len(keys), 0)
    covered: list[torch.Tensor] = []
    total = done = 0
    # Without a name on the disk: it is gone with its last user, however that ends.
    with tempfile.TemporaryFile(dir=folder) as file, torch.no_grad():
        for positions, maps in source.batches(keys, 0):
            height, width = maps.shape[2:]
            grid = lay_regions(step, height, width)
            if not images.shape[1]:
                images = torch.zeros(len(keys), maps.shape[1])
            images[positions] = maps.float().mean((2, 3))
            pooled = torch.stack([pool(maps, grid, "max").float(), pool(maps, grid, "mean")], 2)
            try:
                file.write(pooled.half().numpy().tobytes())
            except OSError as error:
                raise WorkbenchError(
                    f"the regions to train on cannot be written to {str(folder)!r} "
                    f"({error.strerror or error}): free some space, or choose another place with --cache"
                ) from None
            counts[positions] = len(grid)
            starts[positions] = total + len(grid) * np.arange(len(positions))
            covered.append(areas(grid, height, width).repeat(len(positions)))
            total += len(grid) * len(positions)
            done += len(positions)
            progress("pooling regions", done, len(keys))
        file.flush()
        kept = np.memmap(file, np.float16, "r", shape=(total, 2, images.shape[1]))
    return Regions(kept, torch.cat(covered), images, starts, counts)
