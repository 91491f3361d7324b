"""The pooled regions of all images at one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.descriptors.attention import Attention
from workbench.descriptors.chunks import Chunk, merge_in_parts, pool_batch
from workbench.features.device import map_in_order, single_threaded_operations
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

MOST_BYTES = 2**30  # of pooled regions kept in memory between fitting and describing


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

    def chunks(self) -> Iterator[Chunk]:
        if self.kept is not None:
            yield from self.kept
            return
        kept, size, done, self.without = [], 0, 0, 0
        with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
            for positions, chunk in map_in_order(
                pool, self._pool, self.source.batches(self.keys, self.scale), threads
            ):
                size += chunk.vectors.nbytes
                self.without += chunk.without
                if size <= MOST_BYTES:
                    kept.append((positions, chunk))
                else:
                    kept.clear()
                yield positions, chunk
                done += len(positions)
                self.progress("pooling", done, len(self.keys))
        if size <= MOST_BYTES:
            self.kept = list(merge_in_parts(kept))

    def _pool(self, positions: list[int], maps: torch.Tensor) -> Chunk:
        return pool_batch(self.source, self.config, self.attention, self.proposed, positions, maps)
