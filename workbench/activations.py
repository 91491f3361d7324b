"""Where a layer responds to a picture, and which of its channels, cells and regions make a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch

from workbench.config import Config, Step, WorkbenchError
from workbench.descriptors.attention import Attention
from workbench.descriptors.bulk import Described, describe_maps
from workbench.descriptors.describe import Parts, pooled
from workbench.descriptors.detector import Trained
from workbench.descriptors.pooling import pool, shares
from workbench.descriptors.regions import rmac
from workbench.descriptors.weighting import cell_weights
from workbench.explain import overlaps
from workbench.features.backbones import Card, Spec
from workbench.features.maps import MapSource, Options


@dataclass(frozen=True)
class Activations:
    """A picture's map at one layer, and what its pipeline's regions make of it.

    ``maps`` [C, H, W]; ``cells`` [H, W] are the pipeline's weights of the cells (ones where it weights
    none). ``regions`` [N, 4] are fractions of width and height, ``levels`` [N] those of R-MAC from 1
    (0: the whole map, or no levels), ``weights`` [N] what each region's vector is multiplied with, and
    ``norms`` [N] the L2 norm of that vector before it is made a unit vector.
    """

    maps: np.ndarray = field(repr=False)
    cells: np.ndarray = field(repr=False)
    regions: np.ndarray = field(repr=False)
    levels: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    norms: np.ndarray = field(repr=False)

    def heat(self, kind: str, channel: int = 0) -> np.ndarray:
        """The map as one picture [H, W]: ``norm`` (L2 over channels), ``max``, ``mean``, or one ``channel``.

        The mean is what sum pooling adds up, the maximum the most that any channel says in a cell.
        """
        if kind == "channel" and not 0 <= channel < len(self.maps):
            raise WorkbenchError(f"channel {channel} is not in this layer; it has 0 to {len(self.maps) - 1}")
        if kind == "channel":
            return np.asarray(self.maps[channel])
        if kind in ("max", "mean"):
            return np.asarray(self.maps.max(0) if kind == "max" else self.maps.mean(0))
        if kind == "norm":
            return np.asarray(np.linalg.norm(self.maps, axis=0))
        raise WorkbenchError(f"heat {kind!r} is not known; valid: norm, max, mean, channel")


@dataclass(frozen=True)
class Contributions:
    """A score taken apart over the channels, cells and regions of one of its two pictures.

    ``heat`` [C, H, W] sums to ``score``; summed over channels it is the heatmap of ``explain``.
    ``regions`` [N] are the contributions of the regions at the first scale.
    """

    score: float
    heat: np.ndarray = field(repr=False)
    regions: np.ndarray = field(repr=False)

    @property
    def channels(self) -> np.ndarray:
        """What each channel contributes [C]; sums to the score."""
        return np.asarray(self.heat.sum((1, 2)))

    def strongest(self, count: int) -> list[int]:
        """The channels that matter most, for or against, the strongest first."""
        return [int(c) for c in np.argsort(-np.abs(self.channels), kind="stable")[:count]]


def activations(
    maps: torch.Tensor, config: Config, attention: Attention | None = None, proposals: Trained | None = None
) -> Activations:
    """What a pipeline, with its attention and what proposes its regions, sees in a map [1, C, H, W].

    Raises WorkbenchError where the layer gives vectors.
    """
    height, width = maps.shape[2:]
    if (height, width) == (1, 1):
        raise WorkbenchError(
            f"{config.backbone} gives vectors here, which have no map to show: a fully connected layer "
            "answers for the whole picture; choose a convolutional layer"
        )
    with torch.no_grad():
        cells = cell_weights(maps, config)
        inner = maps * cells if cells is not None and config.regions.name == "whole" else maps
        pools = pooled(maps, config, attention, proposals)
        norms = pool(inner, pools.regions, config.pooling).norm(dim=-1)[0]
    weights = torch.ones(len(norms)) if pools.weights is None else pools.weights[0, :, 0]
    return Activations(
        maps[0].numpy(),
        np.ones((height, width), np.float32) if cells is None else cells[0, 0].numpy(),
        pools.of(0) / np.array([width, height, width, height], float),
        levels_of(config.regions, height, width)[: len(norms)],  # of proposals there may be fewer
        weights.numpy(),
        norms.numpy(),
    )


def levels_of(step: Step, height: int, width: int) -> np.ndarray:
    """The level of each region of a grid [N]: 1…L for R-MAC, 0 for the whole map and for plain grids."""
    if not step.name.startswith("rmac"):
        return np.zeros(int(np.prod(step.args or 1)), np.int64)
    top = int(step.args[0])
    counts = np.diff([0, *(len(rmac(height, width, level)) for level in range(1, top + 1))])
    levels = np.repeat(np.arange(1, top + 1), counts)
    return np.concatenate([[0], levels]) if step.name == "rmac+" else levels


def contributions(
    maps: Sequence[torch.Tensor], other: torch.Tensor, config: Config, described: Described
) -> Contributions:
    """Take the score with another image's descriptor [D] apart over the maps [1, C, H, W], a scale each.

    Map x gradient, as in ``explain``. What centring takes away is linear in the mean, so it too splits
    over channels, by Euler's theorem; a channel counts for what it has beyond the average image.
    """
    described, mean = _with_mean_to_derive_by(described)
    with torch.enable_grad():
        leaves = [one.detach().clone().requires_grad_(True) for one in maps]
        parts, pools = describe_maps(leaves, config, described, keep=True)
        gradients = torch.autograd.grad((parts.linear[0] @ other).sum(), leaves, retain_graph=True)
        charges = _charges(parts, other, mean, leaves[0].shape[1])
    height, width = maps[0].shape[2:]
    heat = torch.zeros(leaves[0].shape[1:])
    start = 0
    for leaf, gradient, pools_here in zip(leaves, gradients, pools, strict=True):
        here, count = (leaf.detach() * gradient)[0], len(pools_here.of(0))
        even = shares(pools_here.of(0), *leaf.shape[2:])
        here += torch.einsum("nc,nhw->chw", charges[start : start + count], even)
        start += count
        heat += overlaps(here.shape[1], height) @ here @ overlaps(here.shape[2], width).T
    total = parts.total[0].detach() @ other
    return Contributions(float(total.sum()), heat.numpy(), total[: len(pools[0].of(0))].numpy())


def _with_mean_to_derive_by(described: Described) -> tuple[Described, torch.Tensor | None]:
    """The same with the whitening's mean, which is over channels, as a leaf; a pipeline has one at most."""
    whitening = next((w for w in (*described.regional, *described.final) if w is not None), None)
    if whitening is None:
        return described, None
    mean = whitening.mean.detach().clone().requires_grad_(True)
    leaf = replace(whitening, mean=mean)
    regional, final = (
        tuple(leaf if w is whitening else w for w in steps) for steps in (described.regional, described.final)
    )
    return replace(described, regional=regional, final=final), mean


def _charges(parts: Parts, other: torch.Tensor, mean: torch.Tensor | None, channels: int) -> torch.Tensor:
    """What centring takes from (or gives to) each region's part of the score, by channel: [N, C]."""
    count = parts.linear.shape[1]
    if mean is None or not isinstance(parts.offset, torch.Tensor):
        return torch.zeros(count, channels)
    taken = parts.offset.expand_as(parts.linear)[0] @ other
    (slopes,) = torch.autograd.grad(taken, mean, torch.eye(count), is_grads_batched=True)
    return torch.as_tensor(slopes * mean.detach())


def map_layers(card: Card) -> list[str]:
    """The named layers of a backbone that give maps, in the order of the table."""
    return [name for name in card.layers if name not in ("pool", "logits") and not name.startswith("fc")]


def at_layer(config: Config, layer: str) -> Config:
    """The pipeline cut at another layer of its backbone, one with a map: ``code`` gives way to ``max``.

    Regional attention and proposals, which are trained for one layer, are left out.
    """
    spec = Spec.parse(config.backbone)
    backbone = f"{spec.name}@{layer}" + ("@random" if spec.random else "")
    pooling = Step("max") if config.pooling.name == "code" else config.pooling
    steps = tuple(step for step in config.steps if step.name != "attention")
    regions = Step("whole") if config.regions.name == "proposals" else config.regions
    return replace(config, backbone=backbone, pooling=pooling, regions=regions, steps=steps)


def layer_source(backbone: str, options: Options) -> MapSource:
    """A backbone cut at any layer, for the maps of single pictures, which are not stored."""
    source = _layer_source(backbone, options)
    if not source.fresh():
        _layer_source.cache_clear()
        source = _layer_source(backbone, options)
    return source


@lru_cache(maxsize=2)  # networks: looking through the layers loads each once
def _layer_source(backbone: str, options: Options) -> MapSource:
    return MapSource(Spec.parse(backbone), "max", options)
