"""Chunks of pooled regions: pool a batch of maps in parts that fit the cache, and merge chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import PooledRegions, pool_regions
from workbench.descriptors.attention import Attention
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

_CACHE_NUMBERS = 2**19  # numbers of maps pooled at a time, so that intermediate results stay in the cache

Chunk = tuple[list[int], PooledRegions]


def pool_batch(
    source: MapSource,
    config: Config,
    attention: Attention | None,
    proposal_model: ProposalModel | None,
    positions: list[int],
    maps: torch.Tensor,
) -> Chunk:
    """Pool maps [B, C, H, W] of the images at ``positions`` over the pipeline's regions, on one thread.

    Raises WorkbenchError if the layer yields vectors and the pooling needs maps.
    """
    torch.set_num_threads(1)
    with torch.no_grad():
        if config.pooling.name != "code" and maps.shape[2:] == (1, 1) and source.gives_vectors:
            spec = source.spec
            raise WorkbenchError(
                f"layer {spec.layer or source.layer!r} of {spec.name} gives vectors, which have no "
                f"regions: use the pooling 'code', not {str(config.pooling)!r}"
            )
        if config.pooling.name == "max" and not config.weightings:
            # The maximum is exact in half precision too.
            return positions, pool_regions(maps, config, None, proposal_model)
        # Proposals are padded to the largest number in the batch: a batch stays one part, hence one chunk.
        size = len(maps) if proposal_model else max(1, _CACHE_NUMBERS // maps[0].numel())
        parts = [
            (positions[n * size :][:size], pool_regions(part.float(), config, attention, proposal_model))
            for n, part in enumerate(maps.split(size))
        ]
        return merge(parts)[0]


def merge(chunks: list[Chunk]) -> list[Chunk]:
    """Merge chunks with equal numbers of regions, so that whitening needs fewer matrix products."""
    by_count: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        by_count.setdefault(chunk[1].vectors.shape[1], []).append(chunk)
    merged = []
    for group in by_count.values():
        positions = [position for chunk_positions, _ in group for position in chunk_positions]
        weights = [p.weights.expand(len(p.vectors), -1, -1) for _, p in group if p.weights is not None]
        vectors = torch.cat([p.vectors for _, p in group])
        regions = group[0][1].regions
        if regions.ndim == 3:
            regions = np.concatenate([p.regions for _, p in group])
        without = sum(p.without for _, p in group)
        merged.append(
            (positions, PooledRegions(vectors, torch.cat(weights) if weights else None, regions, without))
        )
    return merged
