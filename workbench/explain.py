"""Exact explanation: a score taken apart into the cells and the pairs of regions that make it.

With its normalisers held fixed every descriptor here is an affine function of the feature map.
Pooling is positively homogeneous of degree one, so by Euler's theorem map x gradient, summed over
the cells, gives the linear part of the score back. What centring takes away from a region is
charged in equal parts to its cells, so that heat means *more than the average image has there*,
and the heatmaps add up to the score itself. (Left as one constant, the same for both images, it is
several times the score, and the heat sits less on the target: see docs/explanations.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from workbench.config import Config
from workbench.descriptors.bulk import Described, describe_maps
from workbench.descriptors.describe import Parts, Pooled
from workbench.descriptors.pooling import shares


@dataclass(frozen=True)
class Explanation:
    """A score and its parts. Each heatmap [H, W], plus ``constant``, sums to ``score``.

    ``region_pairs`` has a row for each pair, strongest first: query_region and image_region (rows of
    ``query_regions`` and ``image_regions``, boxes [N, 4] as fractions of the picture's width and
    height) and their contribution; those sum to the same. ``constant`` is what no cell can be
    charged with; centring is charged to cells, so it is nought.
    """

    score: float
    query_heatmap: np.ndarray = field(repr=False)
    image_heatmap: np.ndarray = field(repr=False)
    region_pairs: pd.DataFrame = field(repr=False)
    query_regions: np.ndarray = field(repr=False)
    image_regions: np.ndarray = field(repr=False)
    constant: float = 0.0


def explain(
    query_maps: Sequence[torch.Tensor],
    image_maps: Sequence[torch.Tensor],
    config: Config,
    described: Described,
) -> Explanation:
    """Explain the inner product of two images' descriptors, by their maps [1, C, H, W], a scale each."""
    query, query_pools = _described(query_maps, config, described)
    image, image_pools = _described(image_maps, config, described)
    q, d = query[0].sum(0), image[0].sum(0)
    contributions = (query[0] @ image[0].T).numpy()
    order = np.argsort(-contributions, axis=None, kind="stable")
    rows, columns = np.unravel_index(order, contributions.shape)
    pairs = pd.DataFrame(
        {
            "query_region": rows,
            "image_region": columns,
            "contribution": contributions.ravel()[order].astype(float),
        }
    )
    return Explanation(
        float(q @ d),
        heatmaps(query_maps, d[None], config, described)[0].numpy(),
        heatmaps(image_maps, q[None], config, described)[0].numpy(),
        pairs,
        _boxes(query_pools, query_maps),
        _boxes(image_pools, image_maps),
    )


def heatmaps(
    maps: Sequence[torch.Tensor], others: torch.Tensor, config: Config, described: Described
) -> torch.Tensor:
    """What each cell contributes to each image's score with its other image: [B, H, W].

    ``maps`` are [B, C, H, W], a scale each, ``others`` the other images' descriptors [B, D]. Cells
    are those of the first scale; the heat of further scales is laid onto them, mass for mass.
    """
    with torch.enable_grad():
        leaves = [one.detach().requires_grad_(True) for one in maps]
        parts, pools = describe_maps(leaves, config, described, keep=True)
        return spread(leaves, pools, parts, others[:, None])


def spread(
    leaves: Sequence[torch.Tensor], pools: Sequence[Pooled], parts: Parts, others: torch.Tensor
) -> torch.Tensor:
    """The inner products of regions with others [B, 1 or N, D] on the cells of the first scale: [B, H, W].

    ``parts`` are the regions of ``pools``, made of the ``leaves``, maps [B, C, H, W] that take a gradient.
    """
    gradients = torch.autograd.grad((parts.linear * others).sum(), leaves)
    height, width = leaves[0].shape[2:]
    heat = torch.zeros(len(others), height, width)
    charges = _charges(parts, others)
    start = 0
    for leaf, gradient, pooled in zip(leaves, gradients, pools, strict=True):
        here = (leaf.detach() * gradient).sum(1)
        count = pooled.regions.shape[-2]
        charged = charges[:, start : start + count, None, None]
        here += (charged * shares(pooled.regions, *leaf.shape[2:])).sum(1)
        start += count
        heat += overlaps(here.shape[1], height) @ here @ overlaps(here.shape[2], width).T
    return heat


def _described(
    maps: Sequence[torch.Tensor], config: Config, described: Described
) -> tuple[torch.Tensor, list[Pooled]]:
    with torch.no_grad():
        parts, pools = describe_maps(maps, config, described, keep=True)
        return parts.total, pools


def _charges(parts: Parts, others: torch.Tensor) -> torch.Tensor:
    """What centring takes from (or gives to) each region's part of the score, [B, N]."""
    if not isinstance(parts.offset, torch.Tensor):
        return torch.zeros(parts.linear.shape[:2])
    return (parts.offset.detach().expand_as(parts.linear) * others).sum(2)


def overlaps(source: int, target: int) -> torch.Tensor:
    """How much of each of ``source`` equal intervals lies in each of ``target``; columns sum to one."""
    if source == target:
        return torch.eye(source)
    t, s = torch.arange(target)[:, None], torch.arange(source)[None]
    overlap = torch.minimum((t + 1) / target, (s + 1) / source) - torch.maximum(t / target, s / source)
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(0, keepdim=True)


def _boxes(pools: Sequence[Pooled], maps: Sequence[torch.Tensor]) -> np.ndarray:
    sides = [np.array([m.shape[3], m.shape[2], m.shape[3], m.shape[2]], float) for m in maps]
    return np.concatenate([pooled.of(0) / side for pooled, side in zip(pools, sides, strict=True)])
