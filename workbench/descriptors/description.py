"""Descriptors of a whole collection from stored maps, and the whitenings fitted to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.descriptors.aggregation import (
    Parts,
    PooledRegions,
    apply_final_steps,
    apply_step,
    combine_scales,
    pool_regions,
    split_steps,
    sum_regions,
)
from workbench.descriptors.attention import Attention, load_attention
from workbench.descriptors.chunks import Chunk, merge, pool_batch
from workbench.descriptors.named_whitening import named_whitenings
from workbench.descriptors.proposals import load_proposal_model
from workbench.descriptors.whitening import MAX_VECTORS, Whitening
from workbench.features.device import (
    map_in_order,
    single_threaded_operations,
)
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

MOST_BYTES = 2**30  # of pooled regions kept in memory between fitting and describing


@dataclass(frozen=True)
class Descriptors:
    """Descriptors [n, D] of unit length, with the whitenings and models that computed them.

    ``regional`` and ``final`` are the whitenings of the regional and the later steps; ``without`` is the
    number of images for which ``proposals`` proposed no region.
    """

    vectors: torch.Tensor
    regional: tuple[Whitening | None, ...]
    final: tuple[Whitening | None, ...]
    attention: Attention | None = None
    proposals: ProposalModel | None = None
    without: int = 0


def describe(
    source: MapSource,
    keys: Sequence[Sequence[str]],
    config: Config,
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Descriptors:
    """Describe images by their stored maps, ``keys`` [scale][image].

    Whitenings are fitted to the images ``fit_on`` (rows), learned whitenings to ``pairs`` of rows. Region
    vectors are pooled once and kept if they fit into MOST_BYTES; otherwise they are pooled twice.
    """
    return next(describe_variants(source, keys, [config], fit_on, pairs, provenance, seed, progress))


def describe_variants(
    source: MapSource,
    keys: Sequence[Sequence[str]],
    configs: Sequence[Config],
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Iterator[Descriptors]:
    """Describe images by each of some pipelines that differ only in their vector steps: see ``describe``.

    They share the pooled regions, which take most of the time.
    """
    first = configs[0]
    region_attention, proposal_model = load_attention(first, source), load_proposal_model(first, source)
    scales = [
        _PooledScale(source, names, scale, first, region_attention, proposal_model, progress)
        for scale, names in enumerate(keys)
    ]
    for config in configs:
        with torch.no_grad():
            regional_steps, final_steps = split_steps(config)
            named = named_whitenings(config, source)
            regional = _fit_regional(scales, regional_steps, named, fit_on, provenance, seed)
            summed_parts = combine_scales([_sum(regions, config, regional) for regions in scales], config)
            described = fit_final_steps(
                summed_parts.total.sum(1), final_steps, named, fit_on, pairs, provenance
            )
            described = replace(
                described,
                regional=tuple(regional),
                attention=region_attention,
                proposals=proposal_model,
                without=scales[0].without,
            )
        yield described


def fit_final_steps(
    vectors: torch.Tensor,
    steps: Sequence[Step],
    named: dict[Step, Whitening],
    fit_on: Sequence[int],
    pairs: np.ndarray | None,
    provenance: dict[str, Any],
) -> Descriptors:
    """Apply the final steps to images' vectors [n, D], fitting each step that is not in ``named``."""
    with torch.no_grad():
        parts, final = Parts(vectors[:, None]), list[Whitening | None]()
        for step in steps:
            fitted = named.get(step) or _fit(
                step, parts.total[fit_on, 0], provenance, parts.total[:, 0], pairs
            )
            parts = apply_step(parts, step, fitted, together=True)
            final.append(fitted)
        return Descriptors(parts.total[:, 0].contiguous(), (), tuple(final))


def describe_maps(
    maps: Sequence[torch.Tensor], config: Config, described: Descriptors, keep: bool = False
) -> tuple[Parts, list[PooledRegions]]:
    """Describe one image by its maps [1, C, H, W], one per scale, with whitenings already fitted."""
    pools = [pool_regions(scale_map, config, described.attention, described.proposals) for scale_map in maps]
    parts = combine_scales([sum_regions(p, config, described.regional, keep) for p in pools], config)
    return apply_final_steps(parts, config, described.final), pools


class _PooledScale:
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
            self.kept = merge(kept)

    def _pool(self, positions: list[int], maps: torch.Tensor) -> Chunk:
        return pool_batch(self.source, self.config, self.attention, self.proposed, positions, maps)


def _fit(
    step: Step,
    vectors: torch.Tensor,
    provenance: dict[str, Any],
    all_vectors: torch.Tensor | None = None,
    pairs: np.ndarray | None = None,
) -> Whitening | None:
    if step.name == "power":
        return None
    if step.name == "lw":
        assert all_vectors is not None
        about = {**provenance, "pairs": 0 if pairs is None else len(pairs)}
        return Whitening.fit(all_vectors, int(step.args[0]), "lw", pairs, about)
    return Whitening.fit(vectors, int(step.args[0]), step.name, provenance=provenance, strength=step.strength)


def _fit_regional(
    scales: Sequence[_PooledScale],
    steps: Sequence[Step],
    named: dict[Step, Whitening],
    fit_on: Sequence[int],
    provenance: dict[str, Any],
    seed: int,
) -> list[Whitening | None]:
    """Fit the regional steps that are not in ``named`` to a sample of the region vectors of all scales."""
    if all(step in named or step.name == "power" for step in steps):
        return [named.get(step) for step in steps]
    # A random number per image decides whether it is in the sample; images outside ``fit_on`` never are.
    draws = np.full(len(scales[0]), np.inf)
    draws[list(fit_on)] = np.random.default_rng(seed).random(len(fit_on))
    vectors = []
    for regions in scales:
        for positions, chunk in regions.chunks():
            vector_count = len(fit_on) * chunk.vectors.shape[1] * len(scales)
            chosen = draws[positions] <= max(MAX_VECTORS / vector_count, 2 / len(fit_on))
            selected = chunk.vectors if chosen.all() else chunk.vectors[chosen]  # mostly all: no copy
            valid = chunk.valid
            vectors.append(selected.flatten(0, 1) if valid is None else selected[valid[chosen]])
    scales[0].progress("whitening", 0, 0)
    whitenings: list[Whitening | None] = []
    parts = Parts(torch.cat(vectors)[:, None])
    for step in steps:
        fitted = named.get(step) or _fit(step, parts.total[:, 0], provenance)
        whitenings.append(fitted)
        if step is not steps[-1]:
            parts = apply_step(parts, step, fitted, together=False)
    return whitenings


def _sum(regions: _PooledScale, config: Config, whitenings: Sequence[Whitening | None]) -> Parts:
    """Sum the regions of each image to one vector, [n, 1, D]."""
    sums: torch.Tensor | None = None
    for positions, chunk in regions.chunks():
        vectors = sum_regions(chunk, config, whitenings).total[:, 0]
        if sums is None:
            sums = vectors.new_zeros(len(regions), vectors.shape[1])
        sums[positions] = vectors
    if sums is None:
        raise WorkbenchError("there is no image to describe")
    return Parts(sums[:, None])
