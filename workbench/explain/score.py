"""Exact explanation: split a score into the contributions of cells and of pairs of regions.

With its normalisers held fixed every descriptor here is an affine function of the feature map. Pooling is
positively homogeneous of degree one, so by Euler's theorem map × gradient, summed over the cells, is the
linear part of the score. The offset of centring is distributed equally over the cells of each region, so that
heat is relative to the average image, and the heatmaps sum to the score itself. (As one constant, the same
for both images, the offset would be several times the score, and less of the heat would be on the target: see
docs/explanations.md.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.tables import Table
from workbench.config.config import Config
from workbench.descriptors.aggregation import Parts, PooledRegions
from workbench.descriptors.description import Descriptors, describe_maps
from workbench.descriptors.pooling import shares
from workbench.explain import sums
from workbench.explain.activations import region_levels
from workbench.explain.sum_text import description

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, repr=False)
class Explanation(Drawable):
    """A score and its parts. Each heatmap [H, W], plus ``constant``, sums to ``score``.

    ``region_pairs`` has a row for each pair, strongest first: query_region and image_region (rows of
    ``query_regions`` and ``image_regions``, boxes [N, 4] as fractions of the picture's width and height) and
    their contribution; these sum to the same. ``constant`` is the part that belongs to no cell. It is zero
    here, because the offset of centring is distributed over the cells. ``warnings``: as of an evaluation.
    ``query_levels`` and ``image_levels`` [N] are the levels of the regions in R-MAC from 1, 0 the whole map;
    empty where regions have no levels. ``pictures`` are those of the query and of the image.
    """

    score: float
    query_heatmap: np.ndarray
    image_heatmap: np.ndarray
    region_pairs: pd.DataFrame
    query_regions: np.ndarray
    image_regions: np.ndarray
    constant: float = 0.0
    warnings: tuple[str, ...] = ()
    query_levels: np.ndarray = field(default_factory=sums.no_levels)
    image_levels: np.ndarray = field(default_factory=sums.no_levels)
    pipeline: str = ""
    collection: str = ""
    pictures: tuple[NamedPicture, NamedPicture] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """The score, and its sums over the query's regions: a few lines."""
        return description("Explanation", self)

    @property
    def subject(self) -> str:
        """The name of the image."""
        return self.pictures[1].name if self.pictures else ""

    def sum(self, side: str = "query") -> sums.Sum:
        """The score over the regions of one side: see ``sums.score_sum``."""
        return sums.score_sum(self, side)

    def by_region(self, side: str = "query") -> Table:
        """The sums over the regions of one ``side``, ``query`` or ``image``: see ``sums.region_sums``."""
        return sums.region_sums(self, side)

    def by_level(self) -> pd.DataFrame:
        """The sums over pairs of levels, of the query (rows) and of the image (columns)."""
        return sums.level_sums(self)

    def figure(self) -> Figure:
        """Both pictures under their heat, and the sums over their regions by level."""
        return draw("explanation", self)

    def waterfall(self, side: str = "query") -> Figure:
        """The sum over the regions of one ``side``, ``query`` or ``image``, by level."""
        return draw("contributions", self.sum(side), self.collection, self.pipeline)


def explain(
    query_maps: Sequence[torch.Tensor],
    image_maps: Sequence[torch.Tensor],
    config: Config,
    descriptors: Descriptors,
) -> Explanation:
    """Explain the inner product of two images' descriptors by their maps [1, C, H, W], one for each scale."""
    query_parts, query_pools = _region_vectors(query_maps, config, descriptors)
    image_parts, image_pools = _region_vectors(image_maps, config, descriptors)
    query, image = query_parts[0].sum(0), image_parts[0].sum(0)
    contributions = (query_parts[0] @ image_parts[0].T).numpy()
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
        float(query @ image),
        heatmaps(query_maps, image[None], config, descriptors)[0].numpy(),
        heatmaps(image_maps, query[None], config, descriptors)[0].numpy(),
        pairs,
        _boxes(query_pools, query_maps),
        _boxes(image_pools, image_maps),
        query_levels=grid_levels(query_pools, query_maps, config),
        image_levels=grid_levels(image_pools, image_maps, config),
    )


def heatmaps(
    maps: Sequence[torch.Tensor], others: torch.Tensor, config: Config, descriptors: Descriptors
) -> torch.Tensor:
    """The contribution of each cell to each image's score with its other image: [B, H, W].

    ``maps`` are [B, C, H, W], one for each scale, ``others`` the other images' descriptors [B, D]. Cells are
    those of the first scale; the heat of further scales is resampled to them, and its sum is kept.
    """
    with torch.enable_grad():
        leaves = [scale_maps.detach().requires_grad_(True) for scale_maps in maps]
        parts, pools = describe_maps(leaves, config, descriptors, keep=True)
        return cell_contributions(leaves, pools, parts, others[:, None])


def cell_contributions(
    leaves: Sequence[torch.Tensor], pools: Sequence[PooledRegions], parts: Parts, others: torch.Tensor
) -> torch.Tensor:
    """Split inner products of regions with others [B, 1 or N, D] over the first scale's cells [B, H, W].

    ``parts`` are the described regions of ``pools``, computed from the ``leaves``: maps [B, C, H, W] that
    take a gradient, one for each scale.
    """
    gradients = torch.autograd.grad((parts.linear * others).sum(), leaves)
    height, width = leaves[0].shape[2:]
    heat = torch.zeros(len(others), height, width)
    charges = _centring_contributions(parts, others)
    start = 0
    for leaf, gradient, pooled in zip(leaves, gradients, pools, strict=True):
        scale_heat = (leaf.detach() * gradient).sum(1)
        count = pooled.regions.shape[-2]
        scale_charges = charges[:, start : start + count, None, None]
        scale_heat += (scale_charges * shares(pooled.regions, *leaf.shape[2:])).sum(1)
        start += count
        rows, columns = (
            interval_overlaps(scale_heat.shape[1], height),
            interval_overlaps(scale_heat.shape[2], width),
        )
        heat += rows @ scale_heat @ columns.T
    return heat


def _region_vectors(
    maps: Sequence[torch.Tensor], config: Config, descriptors: Descriptors
) -> tuple[torch.Tensor, list[PooledRegions]]:
    """The parts [1, N, D] of an image's descriptor by region, and the regions of each scale."""
    with torch.no_grad():
        parts, pools = describe_maps(maps, config, descriptors, keep=True)
        return parts.total, pools


def _centring_contributions(parts: Parts, others: torch.Tensor) -> torch.Tensor:
    """The part of each region's score that is due to centring, [B, N]."""
    if not isinstance(parts.offset, torch.Tensor):
        return torch.zeros(parts.linear.shape[:2])
    return (parts.offset.detach().expand_as(parts.linear) * others).sum(2)


def interval_overlaps(source: int, target: int) -> torch.Tensor:
    """The share of each of ``source`` equal intervals in each of ``target``: [target, source]."""
    if source == target:
        return torch.eye(source)
    t, s = torch.arange(target)[:, None], torch.arange(source)[None]
    overlap = torch.minimum((t + 1) / target, (s + 1) / source) - torch.maximum(t / target, s / source)
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(0, keepdim=True)


def _boxes(pools: Sequence[PooledRegions], maps: Sequence[torch.Tensor]) -> np.ndarray:
    sides = [np.array([m.shape[3], m.shape[2], m.shape[3], m.shape[2]], float) for m in maps]
    return np.concatenate([pooled.of(0) / side for pooled, side in zip(pools, sides, strict=True)])


def grid_levels(pools: Sequence[PooledRegions], maps: Sequence[torch.Tensor], config: Config) -> np.ndarray:
    """The levels of the regions of all scales; empty unless the regions are R-MAC's."""
    if not config.regions.name.startswith("rmac"):
        return sums.no_levels()
    levels = [region_levels(config.regions, *scale_maps.shape[2:]) for scale_maps in maps]
    return np.concatenate([level[: len(pooled.of(0))] for level, pooled in zip(levels, pools, strict=True)])
