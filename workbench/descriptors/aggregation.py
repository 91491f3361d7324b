"""Aggregation of feature maps to descriptors: pool, weight, normalise, whiten, sum.

Normalisers, weights and the scale of a power law are constants under differentiation (detached), so that a
descriptor is an affine function of the map and Euler's theorem splits a score exactly (``explain.score``). A
descriptor is represented as the sum of its regions' contributions, each with a linear part and an offset
from centring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from workbench.config.config import Config
from workbench.config.steps import Step
from workbench.descriptors import proposals
from workbench.descriptors.attention import Attention
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import regions as lay_regions
from workbench.descriptors.weighting import cell_weights, region_weights
from workbench.descriptors.whitening import Whitening

if TYPE_CHECKING:
    from workbench.descriptors.rpn import ProposalModel

_TINY = 1e-12


class Parts(NamedTuple):
    """Contributions of regions to vectors: ``linear`` in the map, and an ``offset``; both [B, N, D]."""

    linear: torch.Tensor
    offset: torch.Tensor | float = 0.0

    @property
    def total(self) -> torch.Tensor:
        return self.linear + self.offset if isinstance(self.offset, torch.Tensor) else self.linear

    def scaled(self, factor: torch.Tensor) -> Parts:
        detached = factor.detach()
        return Parts(
            self.linear * detached, self.offset * detached if isinstance(self.offset, torch.Tensor) else 0.0
        )


@dataclass(frozen=True)
class PooledRegions:
    """L2-normalised region vectors [B, N, C] and the weights of the regions, [B or 1, N, 1] or None.

    ``regions`` are [N, 4], the same for all images, or [B, N, 4], one set per image; ``without`` is the
    number of images for which no region was proposed.
    """

    vectors: torch.Tensor
    weights: torch.Tensor | None
    regions: np.ndarray
    without: int = 0

    def of(self, image: int) -> np.ndarray:
        """Return the regions [N, 4] of one image."""
        return self.regions if self.regions.ndim == 2 else self.regions[image]

    @property
    def valid(self) -> torch.Tensor | None:
        """Mask [B, N] of regions that are not padding; None if there is no padding."""
        return None if self.regions.ndim == 2 or self.weights is None else self.weights[..., 0] > 0


def pool_regions(
    maps: torch.Tensor,
    config: Config,
    attention: Attention | None = None,
    proposed: ProposalModel | None = None,
) -> PooledRegions:
    """Pool maps [B, C, H, W] over the pipeline's regions.

    With ``whole``, cell weights apply before pooling (as in SPoC); with several regions, each region's
    normalised vector is weighted by the mean weight of its cells. These weights are multiplied by those of
    ``attention``, which weights regions directly, and with proposals (``proposed``) by the objectness.
    """
    if proposed is None:
        region_boxes, objectness, without = lay_regions(config.regions, *maps.shape[2:]), None, 0
    else:
        region_boxes, objectness, without = proposals.propose_regions(
            maps.detach(), int(config.regions.args[0]), proposed
        )
    weights = attention.weights(maps, region_boxes) if attention is not None else None
    cells = cell_weights(maps, config)
    if cells is not None and config.regions.name == "whole":
        maps = maps * cells
    elif cells is not None:
        prior = region_weights(cells, region_boxes)
        weights = prior if weights is None else weights * prior
    if objectness is not None:
        weights = objectness if weights is None else weights * objectness
    return PooledRegions(
        l2_normalize(pool(maps, region_boxes, config.pooling).float()), weights, region_boxes, without
    )


def l2_normalize(vectors: torch.Tensor) -> torch.Tensor:
    """L2-normalise the last axis, the norm constant under differentiation; zero vectors stay zero."""
    return vectors / vectors.detach().norm(dim=-1, keepdim=True).clamp(min=_TINY)


def split_steps(config: Config) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Split the vector steps into those on each region, before the sum, and those on the image's vector.

    R-MAC whitens every region (Tolias et al. 2016): with several regions, the steps up to the first PCA
    are regional. Learned whitening is learned from pairs of images and follows the sum.
    """
    steps = config.vector_steps
    if config.regions.name != "whole":
        for position, step in enumerate(steps):
            if step.name in ("pca", "pcaw"):
                return steps[: position + 1], steps[position + 1 :]
    return (), steps


def apply_step(parts: Parts, step: Step, whitening: Whitening | None, together: bool) -> Parts:
    """Apply one vector step and the L2 normalisation after it.

    ``together``: the regions are summands of one vector; otherwise each region is a separate vector.
    """
    if step.name == "power":
        total = parts.total.sum(1, keepdim=True) if together else parts.total
        magnitude = total.detach().abs()
        parts = parts.scaled(
            torch.where(magnitude > 0, magnitude.clamp(min=_TINY) ** (step.args[0] - 1), 0.0)
        )
    else:
        assert whitening is not None, f"{step} has not been fitted"
        projection = whitening.projection.to(parts.linear)
        shift = projection @ whitening.mean.to(parts.linear)
        share = parts.linear.shape[1] if together else 1
        offset = parts.offset @ projection.T if isinstance(parts.offset, torch.Tensor) else parts.offset
        parts = Parts(parts.linear @ projection.T, offset - shift / share)
    return normalize_parts(parts, together)


def normalize_parts(parts: Parts, together: bool) -> Parts:
    """L2-normalise the sum over regions, or each region."""
    total = parts.total.sum(1, keepdim=True) if together else parts.total
    return parts.scaled(1 / total.norm(dim=-1, keepdim=True).clamp(min=_TINY))


def sum_regions(
    pooled: PooledRegions, config: Config, whitenings: Sequence[Whitening | None], keep: bool = False
) -> Parts:
    """Apply regional steps, weights, sum and L2; ``keep`` keeps the regions separate, [B, N, D]."""
    parts = Parts(pooled.vectors)
    for step, whitening in zip(split_steps(config)[0], whitenings, strict=False):
        parts = apply_step(parts, step, whitening, together=False)
    if pooled.weights is not None:
        parts = parts.scaled(pooled.weights)
    if not keep:
        parts = Parts(parts.total.sum(1, keepdim=True))
    return normalize_parts(parts, together=True)


def combine_scales(scales: Sequence[Parts], config: Config) -> Parts:
    """Combine the vectors of several image scales by their mean, for GeM by their power mean with its p.

    Radenović, Tolias and Chum (TPAMI 2019), section 5.2. The regions of all scales are concatenated.
    """
    if len(scales) == 1:
        return scales[0]
    power = config.pooling.args[0] if config.pooling.name == "gem" and config.regions.name == "whole" else 1.0
    totals = [
        parts.total.sum(1, keepdim=True).detach().clamp(min=0 if power != 1 else -torch.inf)
        for parts in scales
    ]
    if power != 1:
        mean = torch.stack([t**power for t in totals]).mean(0) ** (1 / power)
        factors = [torch.where(mean > 0, t / mean.clamp(min=_TINY), 0.0) ** (power - 1) for t in totals]
        scales = [parts.scaled(factor) for parts, factor in zip(scales, factors, strict=True)]
    concatenated = Parts(
        torch.cat([parts.linear for parts in scales], 1),
        torch.cat([torch.zeros_like(parts.linear) + parts.offset for parts in scales], 1),
    )
    return normalize_parts(concatenated, together=True)


def apply_final_steps(parts: Parts, config: Config, whitenings: Sequence[Whitening | None]) -> Parts:
    """Apply the steps on the image's vector, after the sum over regions and scales."""
    for step, whitening in zip(split_steps(config)[1], whitenings, strict=False):
        parts = apply_step(parts, step, whitening, together=True)
    return parts
