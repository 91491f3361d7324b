"""Split a score over the channels, cells and regions of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.common.drawable import Drawable, draw
from workbench.common.rounding import DIGITS
from workbench.config.config import Config
from workbench.descriptors.aggregation import Parts
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.pooling import shares
from workbench.explain import sums
from workbench.explain.score import interval_overlaps

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, repr=False)
class Contributions(Drawable):
    """The contributions of the channels, cells and regions of one picture to its score with another.

    ``heat`` [C, H, W] sums to ``score``; summed over channels it is the heatmap of ``explain``.
    ``regions`` [N] are the contributions of the regions at the first scale.
    """

    score: float
    heat: np.ndarray = field(repr=False)
    regions: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        """The score and its strongest channels."""
        values = self.channels
        strongest = ", ".join(f"{number} ({values[number]:+.{DIGITS}f})" for number in self.strongest(5))
        return f"Contributions: score {self.score:.3f}; strongest of {len(values):,} channels: {strongest}"

    def sum(self) -> sums.Sum:
        """The score over the channels."""
        return sums.channels_sum(self)

    def figure(self) -> Figure:
        """The sum over the channels."""
        return draw("contributions", self.sum())

    @property
    def channels(self) -> np.ndarray:
        """The contribution of each channel [C]; they sum to the score."""
        return np.asarray(self.heat.sum((1, 2)))

    def strongest(self, count: int) -> list[int]:
        """The channels with the largest contributions by absolute value, the strongest first."""
        return [int(c) for c in np.argsort(-np.abs(self.channels), kind="stable")[:count]]


def contributions(
    maps: Sequence[torch.Tensor], other: torch.Tensor, config: Config, descriptors: Descriptors
) -> Contributions:
    """Split the score with another image's descriptor [D] over the maps [1, C, H, W], one for each scale.

    Map × gradient, as in ``explain``. The offset of centring is linear in the mean, so by Euler's theorem it
    splits over channels too: the contribution of a channel is relative to the average image.
    """
    descriptors, mean = _with_differentiable_mean(descriptors)
    with torch.enable_grad():
        leaves = [scale_maps.detach().clone().requires_grad_(True) for scale_maps in maps]
        parts, pools = describe_maps(leaves, config, descriptors, keep=True)
        gradients = torch.autograd.grad((parts.linear[0] @ other).sum(), leaves, retain_graph=True)
        charges = _centring_contributions(parts, other, mean, leaves[0].shape[1])
    height, width = maps[0].shape[2:]
    heat = torch.zeros(leaves[0].shape[1:])
    start = 0
    for leaf, gradient, scale_pools in zip(leaves, gradients, pools, strict=True):
        regions = scale_pools.of(0)
        scale_heat = (leaf.detach() * gradient)[0]
        even = shares(regions, *leaf.shape[2:])
        scale_heat += torch.einsum("nc,nhw->chw", charges[start : start + len(regions)], even)
        start += len(regions)
        rows, columns = (
            interval_overlaps(scale_heat.shape[1], height),
            interval_overlaps(scale_heat.shape[2], width),
        )
        heat += rows @ scale_heat @ columns.T
    total = parts.total[0].detach() @ other
    return Contributions(float(total.sum()), heat.numpy(), total[: len(pools[0].of(0))].numpy())


def _with_differentiable_mean(descriptors: Descriptors) -> tuple[Descriptors, torch.Tensor | None]:
    """The descriptors with the mean [C] of their whitening as a leaf that takes a gradient, and this leaf.

    A pipeline has at most one whitening; without one the leaf is None.
    """
    whitening = next((w for w in (*descriptors.regional, *descriptors.final) if w is not None), None)
    if whitening is None:
        return descriptors, None
    mean = whitening.mean.detach().clone().requires_grad_(True)
    with_leaf = replace(whitening, mean=mean)
    regional, final = (
        tuple(with_leaf if w is whitening else w for w in steps)
        for steps in (descriptors.regional, descriptors.final)
    )
    return replace(descriptors, regional=regional, final=final), mean


def _centring_contributions(
    parts: Parts, other: torch.Tensor, mean: torch.Tensor | None, channels: int
) -> torch.Tensor:
    """The part of each region's score that is due to centring, by channel: [N, C]."""
    count = parts.linear.shape[1]
    if mean is None or not isinstance(parts.offset, torch.Tensor):
        return torch.zeros(count, channels)
    offsets = parts.offset.expand_as(parts.linear)[0] @ other
    (slopes,) = torch.autograd.grad(offsets, mean, torch.eye(count), is_grads_batched=True)
    return torch.as_tensor(slopes * mean.detach())
