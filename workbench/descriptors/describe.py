"""From feature maps to descriptors: pool, weight, normalise, whiten, sum.

Normalisers, weights and the scale of a power law are held fixed (detached), so that a descriptor
is an affine function of the map and Euler's theorem takes a score apart exactly (``explain.py``).
A descriptor is carried as the sum of its regions' contributions, each with a linear part and an
offset that comes from centring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from workbench.config import Config, Step
from workbench.descriptors import proposals
from workbench.descriptors.attention import Attention
from workbench.descriptors.detector import Trained
from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import regions as lay_regions
from workbench.descriptors.weighting import cell_weights, region_weights
from workbench.descriptors.whitening import Whitening

_TINY = 1e-12


class Parts(NamedTuple):
    """What regions contribute to vectors: ``linear`` in the map, and an ``offset``; both [B, N, D]."""

    linear: torch.Tensor
    offset: torch.Tensor | float = 0.0

    @property
    def total(self) -> torch.Tensor:
        return self.linear + self.offset if isinstance(self.offset, torch.Tensor) else self.linear

    def scaled(self, factor: torch.Tensor) -> Parts:
        held = factor.detach()
        return Parts(self.linear * held, self.offset * held if isinstance(self.offset, torch.Tensor) else 0.0)


@dataclass(frozen=True)
class Pooled:
    """L2-normalised region vectors [B, N, C] and the weights of the regions, [B or 1, N, 1] or None.

    ``regions`` are [N, 4], the same for all, or [B, N, 4], each image's own; ``without``: of how many images
    none was proposed.
    """

    vectors: torch.Tensor
    weights: torch.Tensor | None
    regions: np.ndarray
    without: int = 0

    def of(self, image: int) -> np.ndarray:
        """The regions [N, 4] of one of the images."""
        return self.regions if self.regions.ndim == 2 else self.regions[image]

    @property
    def there(self) -> torch.Tensor | None:
        """Which of [B, N] are regions, and not there only to fill up; None where all are."""
        return None if self.regions.ndim == 2 or self.weights is None else self.weights[..., 0] > 0


def pooled(
    maps: torch.Tensor, config: Config, attention: Attention | None = None, proposed: Trained | None = None
) -> Pooled:
    """Pool maps [B, C, H, W] over the pipeline's regions.

    One weight map serves both kinds of grid: with ``whole`` it weights the cells before pooling
    (as SPoC does), with more regions it weights each region's normalised vector by its mean there.
    ``attention`` weights regions itself. Where regions are ``proposed``, their objectness counts besides.
    """
    if proposed is None:
        laid, sure, without = lay_regions(config.regions, *maps.shape[2:]), None, 0
    else:
        laid, sure, without = proposals.lay(maps.detach(), int(config.regions.args[0]), proposed)
    weights = attention.weights(maps, laid) if attention is not None else None
    cells = cell_weights(maps, config)  # none with attention
    if cells is not None and config.regions.name == "whole":
        maps = maps * cells
    elif cells is not None:
        weights = region_weights(cells, laid)
    if sure is not None:
        weights = sure if weights is None else weights * sure
    return Pooled(unit(pool(maps, laid, config.pooling).float()), weights, laid, without)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """L2-normalise the last axis, the norm held fixed; a zero vector stays zero."""
    return vectors / vectors.detach().norm(dim=-1, keepdim=True).clamp(min=_TINY)


def split_steps(config: Config) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The vector steps done on each region before the sum, and those done on the image's vector.

    R-MAC whitens every region (Tolias et al. 2016): with more regions than one, the steps up to the
    first PCA are regional. Learned whitening is learned from pairs of images and comes after the sum.
    """
    steps = config.vector_steps
    if config.regions.name != "whole":
        for position, step in enumerate(steps):
            if step.name in ("pca", "pcaw"):
                return steps[: position + 1], steps[position + 1 :]
    return (), steps


def apply_step(parts: Parts, step: Step, whitening: Whitening | None, together: bool) -> Parts:
    """One vector step and the L2 normalisation after it.

    ``together``: the regions are summands of one vector; otherwise each is a vector of its own.
    """
    if step.name == "power":
        total = parts.total.sum(1, keepdim=True) if together else parts.total
        held = total.detach().abs()
        parts = parts.scaled(torch.where(held > 0, held.clamp(min=_TINY) ** (step.args[0] - 1), 0.0))
    else:
        assert whitening is not None, f"{step} has not been fitted"
        projection = whitening.projection.to(parts.linear)
        shift = projection @ whitening.mean.to(parts.linear)
        share = parts.linear.shape[1] if together else 1
        offset = parts.offset @ projection.T if isinstance(parts.offset, torch.Tensor) else parts.offset
        parts = Parts(parts.linear @ projection.T, offset - shift / share)
    return normalised(parts, together)


def normalised(parts: Parts, together: bool) -> Parts:
    """L2-normalise the sum over regions, or each region."""
    total = parts.total.sum(1, keepdim=True) if together else parts.total
    return parts.scaled(1 / total.norm(dim=-1, keepdim=True).clamp(min=_TINY))


def summed(
    pooled: Pooled, config: Config, whitenings: Sequence[Whitening | None], keep: bool = False
) -> Parts:
    """Regional steps, weights, sum over regions, L2. ``keep`` leaves the regions apart, [B, N, D]."""
    parts = Parts(pooled.vectors)
    for step, whitening in zip(split_steps(config)[0], whitenings, strict=False):
        parts = apply_step(parts, step, whitening, together=False)
    if pooled.weights is not None:
        parts = parts.scaled(pooled.weights)
    if not keep:
        parts = Parts(parts.total.sum(1, keepdim=True))
    return normalised(parts, together=True)


def over_scales(scales: Sequence[Parts], config: Config) -> Parts:
    """One vector from those of several image scales: their mean, for GeM their power mean with its p.

    Radenović, Tolias and Chum (TPAMI 2019), section 5.2. Regions of all scales stand side by side.
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
    side_by_side = Parts(
        torch.cat([parts.linear for parts in scales], 1),
        torch.cat([torch.zeros_like(parts.linear) + parts.offset for parts in scales], 1),
    )
    return normalised(side_by_side, together=True)


def finished(parts: Parts, config: Config, whitenings: Sequence[Whitening | None]) -> Parts:
    """The steps on the image's vector, after the sum over regions and scales."""
    for step, whitening in zip(split_steps(config)[1], whitenings, strict=False):
        parts = apply_step(parts, step, whitening, together=True)
    return parts
