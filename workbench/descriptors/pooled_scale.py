"""The pooled regions of all images at one scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.descriptors.attention import Attention
from workbench.descriptors.chunks import Chunk, merge_in_parts, pool_batch
from workbench.descriptors.regions import regions as lay_regions
from workbench.features.device import map_in_order, single_threaded_operations
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

MOST_BYTES = 2**29  # of pooled regions kept in memory between fitting and describing

Chosen = Callable[[Sequence[int], int], np.ndarray]  # images and their number of regions to a mask


class PooledScale:
    """The pooled regions of all images at one scale, in chunks: kept in memory, or pooled on each pass."""

    def __init__(
        self,
        source: MapSource,
        keys: Sequence[str],
        scale: int,
        config: Config,
        attention: Attention | None,
        proposed: ProposalModel | None,
        progress: Progress,
    ) -> None:
        self.source, self.keys, self.scale, self.config, self.progress = source, keys, scale, config, progress
        self.attention, self.proposed = attention, proposed
        self.kept: list[Chunk] | None = None
        self.without = 0  # images for which no region was proposed, known after a pass

    def __len__(self) -> int:
        return len(self.keys)

    def chunks(self, chosen: Chosen | None = None) -> Iterator[Chunk]:
        """The regions of all images; of the ``chosen`` ones only, where those of all would not be kept."""
        if self.kept is not None:
            yield from merge_in_parts(self.kept)  # not merged in memory, which would hold all twice
            return
        kept: list[Chunk] | None = [] if self._fits() else None
        jobs = _Jobs(self, None if kept is not None or self.proposed else chosen)
        size, self.without = 0, 0
        with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
            for positions, chunk in map_in_order(pool, self._pool, iter(jobs), threads):
                size += chunk.vectors.nbytes
                self.without += chunk.without
                if kept is not None and size <= 2 * MOST_BYTES:
                    kept.append((positions, chunk))
                else:
                    kept = None
                yield positions, chunk
                self.progress("pooling", jobs.done, len(self.keys))
        if kept is not None:
            self.kept = kept

    def _fits(self) -> bool:
        """Whether the regions of all images will fit into memory, estimated from the first stored map."""
        # All keys, so that damaged files are replaced whole; one, where each is run through the network.
        keys = self.keys[:1] if self.source.options.maps == "none" else self.keys
        _, maps = next(self.source.batches(keys, self.scale, self.progress), (None, None))
        if maps is None:
            return True
        count = int(self.config.regions.args[0]) if self.proposed else self.count(maps)
        return len(self) * count * maps.shape[1] * 4 <= MOST_BYTES

    def count(self, maps: torch.Tensor) -> int:
        """The number of regions of maps [B, C, H, W]."""
        return len(lay_regions(self.config.regions, *maps.shape[2:]))

    def _pool(self, positions: list[int], maps: torch.Tensor) -> Chunk:
        return pool_batch(self.source, self.config, self.attention, self.proposed, positions, maps)


class _Jobs:
    """The stored maps of the images of a scale, or of the chosen ones, whose others are not read."""

    def __init__(self, scale: PooledScale, chosen: Chosen | None) -> None:
        self.scale, self.chosen, self.done = scale, chosen, 0

    def __iter__(self) -> Iterator[tuple[list[int], torch.Tensor]]:
        for positions, maps in self.scale.source.batches(
            self.scale.keys, self.scale.scale, self.scale.progress
        ):
            self.done += len(positions)
            if self.chosen is None:
                yield positions, maps
                continue
            rows = np.flatnonzero(self.chosen(positions, self.scale.count(maps)))
            if len(rows):
                yield [positions[row] for row in rows], maps[rows]
