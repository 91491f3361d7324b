"""Descriptors of a whole collection from stored maps, and the whitenings fitted to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from workbench.common.progress import Progress, interruptible, silent
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
from workbench.descriptors.named_whitening import named_whitenings
from workbench.descriptors.pooled_scale import PooledScale
from workbench.descriptors.proposals import load_proposal_model
from workbench.descriptors.whitening import MAX_VECTORS, Whitening
from workbench.features.map_source import MapSource

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel


BLOCK = 2**16  # rows of vectors to which a step is applied at a time
MAX_RUNS = 1000  # of rows that follow each other; more are copied


@dataclass(frozen=True)
class Descriptors:
    """Descriptors [n, D] of unit length, with the whitenings and models that computed them.

    ``regional`` and ``final`` are the whitenings of the regional and the later steps; ``without`` is the
    number of images for which ``proposals`` proposed no region. ``repaired``: their stored file was damaged.
    """

    vectors: torch.Tensor
    regional: tuple[Whitening | None, ...]
    final: tuple[Whitening | None, ...]
    attention: Attention | None = None
    proposals: ProposalModel | None = None
    without: int = 0
    repaired: bool = False


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
    vectors are pooled once and kept if they fit into memory; otherwise they are pooled twice.
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
        PooledScale(source, names, scale, first, region_attention, proposal_model, progress)
        for scale, names in enumerate(keys)
    ]
    for config in configs:
        with torch.no_grad():
            regional_steps, final_steps = split_steps(config)
            named = named_whitenings(config, source)
            regional = _fit_regional(scales, regional_steps, named, fit_on, provenance, seed, progress)
            summed_parts = combine_scales([_sum(regions, config, regional) for regions in scales], config)
            described = fit_final_steps(
                summed_parts.total.squeeze(1)
                if summed_parts.linear.shape[1] == 1
                else summed_parts.total.sum(1),
                final_steps,
                named,
                fit_on,
                pairs,
                provenance,
                progress,
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
    progress: Progress = silent,
) -> Descriptors:
    """Apply the final steps to images' vectors [n, D], fitting each step that is not in ``named``."""
    with torch.no_grad():
        final = list[Whitening | None]()
        for step in steps:
            sample = _runs(vectors, fit_on)
            fitted = named.get(step) or _fit(step, sample, provenance, vectors, pairs, progress)
            blocks = [
                apply_step(Parts(block[:, None]), step, fitted, together=True).total[:, 0]
                for block in vectors.split(BLOCK)
            ]
            vectors = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
            final.append(fitted)
        return Descriptors(vectors.contiguous(), (), tuple(final))


def _runs(vectors: torch.Tensor, rows: Sequence[int]) -> list[torch.Tensor]:
    """Some rows of vectors, as views of those that follow each other."""
    at = np.asarray(rows)
    ends = np.flatnonzero(np.diff(at) != 1) + 1
    if len(ends) >= MAX_RUNS:
        return [vectors[at]]
    return [vectors[run[0] : run[-1] + 1] for run in np.split(at, ends) if len(run)]


def describe_maps(
    maps: Sequence[torch.Tensor], config: Config, described: Descriptors, keep: bool = False
) -> tuple[Parts, list[PooledRegions]]:
    """Describe one image by its maps [1, C, H, W], one per scale, with whitenings already fitted."""
    pools = [pool_regions(scale_map, config, described.attention, described.proposals) for scale_map in maps]
    parts = combine_scales([sum_regions(p, config, described.regional, keep) for p in pools], config)
    return apply_final_steps(parts, config, described.final), pools


def _fit(
    step: Step,
    vectors: Sequence[torch.Tensor],
    provenance: dict[str, Any],
    all_vectors: torch.Tensor | None = None,
    pairs: np.ndarray | None = None,
    progress: Progress = silent,
) -> Whitening | None:
    if step.name == "power":
        return None
    if step.name == "lw":
        assert all_vectors is not None
        about = {**provenance, "pairs": 0 if pairs is None else len(pairs)}
        fit = partial(Whitening.fit, all_vectors, int(step.args[0]), "lw", pairs, about)
    else:
        fit = partial(
            Whitening.fit,
            vectors,
            int(step.args[0]),
            step.name,
            provenance=provenance,
            strength=step.strength,
        )
    return interruptible(fit, progress, "whitening")


def _fit_regional(
    scales: Sequence[PooledScale],
    steps: Sequence[Step],
    named: dict[Step, Whitening],
    fit_on: Sequence[int],
    provenance: dict[str, Any],
    seed: int,
    progress: Progress,
) -> list[Whitening | None]:
    """Fit the regional steps that are not in ``named`` to a sample of the region vectors of all scales."""
    if all(step in named or step.name == "power" for step in steps):
        return [named.get(step) for step in steps]
    # A random number per image decides whether it is in the sample; images outside ``fit_on`` never are.
    draws = np.full(len(scales[0]), np.inf)
    draws[list(fit_on)] = np.random.default_rng(seed).random(len(fit_on))

    def chosen(positions: Sequence[int], count: int) -> np.ndarray:
        share = MAX_VECTORS / (len(fit_on) * count * len(scales))
        return np.asarray(draws[positions] <= max(share, 2 / len(fit_on)))

    vectors = []
    for regions in scales:
        for positions, chunk in regions.chunks(chosen):
            mask = chosen(positions, chunk.vectors.shape[1])
            selected = chunk.vectors if mask.all() else chunk.vectors[mask]  # mostly all: no copy
            valid = chunk.valid
            vectors.append(selected.flatten(0, 1) if valid is None else selected[valid[mask]])
    progress("whitening", 0, 0)
    whitenings: list[Whitening | None] = []
    for step in steps:
        fitted = named.get(step) or _fit(step, vectors, provenance, progress=progress)
        whitenings.append(fitted)
        if step is not steps[-1]:
            vectors = [
                apply_step(Parts(block[:, None]), step, fitted, together=False).total[:, 0]
                for block in vectors
            ]
    return whitenings


def _sum(regions: PooledScale, config: Config, whitenings: Sequence[Whitening | None]) -> Parts:
    """Sum the regions of each image to one vector, [n, 1, D]."""
    sums: torch.Tensor | None = None
    for positions, chunk in regions.chunks():
        if regions.kept is not None:  # else they are being pooled, which reports itself
            regions.progress("summing regions", 0, 0)
        vectors = sum_regions(chunk, config, whitenings).total[:, 0]
        if sums is None:
            sums = vectors.new_zeros(len(regions), vectors.shape[1])
        sums[positions] = vectors
    if sums is None:
        raise WorkbenchError("there is no image to describe")
    return Parts(sums[:, None])
