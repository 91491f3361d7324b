"""Exact explanation of ONE: split the score of an image, or of a class, into votes and cells.

Each of the query's regions votes by its nearest neighbour. A vote is an inner product of two regions, and
each side of it is split over its cells as in ``explain``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import Parts, PooledRegions
from workbench.engine.image_regions import ImageRegions, RegionSets
from workbench.engine.one import Classes
from workbench.engine.region_search import pool_image_regions, region_parts
from workbench.explain import sums
from workbench.explain.score import cell_contributions, grid_levels
from workbench.explain.sum_text import description
from workbench.search.region_sets import NearestMembers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Voters(NamedTuple):
    """The nearest region in the database of each of Q query regions (rows [Q] of the sets), and the score."""

    rows: np.ndarray
    score: float


@dataclass(frozen=True, repr=False)
class Evidence(Drawable):
    """The score of an image or of a class, and its parts.

    ``votes`` has a row for each region of the query, strongest first: query_region, image_id, image_region
    (rows of ``query_regions`` and ``image_regions``, boxes [N, 4] as fractions of width and height) and
    contribution. The sum of the votes, the sum of the query's heatmap [H, W] and the sum of all images'
    heatmaps each give the score, with ``constant`` added. The constant is zero if regions are stored exactly;
    with product codes it is the change of the score by the codes. ``query_levels`` [N] are the levels of the
    query's regions in R-MAC, empty if regions have none; ``subject`` is the image or the label, and
    ``pictures`` are those of the query and of the image with the most votes.
    """

    score: float
    query_heatmap: np.ndarray
    query_regions: np.ndarray
    image_heatmaps: dict[str, np.ndarray]
    image_regions: dict[str, np.ndarray]
    votes: pd.DataFrame
    constant: float = 0.0
    query_levels: np.ndarray = field(default_factory=sums.no_levels)
    pipeline: str = ""
    collection: str = ""
    subject: str = ""
    warnings: tuple[str, ...] = ()
    pictures: tuple[NamedPicture, NamedPicture] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """The score, and its sums over the levels of the query's regions: a few lines."""
        return description("Evidence", self)

    def sum(self) -> sums.Sum:
        """The score over the query's regions: see ``sums.votes_sum``."""
        return sums.votes_sum(self)

    def figure(self) -> Figure:
        """The query and the image with the most votes under their heat, and the sum of the votes."""
        return draw("explanation", self)

    def waterfall(self) -> Figure:
        """The sum of the votes by level of the query's regions."""
        return draw("contributions", self.sum(), self.collection, self.pipeline)

    def strongest_image(self) -> str:
        """The image whose regions' votes add the most."""
        return str(self.votes.groupby("image_id")["contribution"].sum().idxmax())


class _DescribedMap(NamedTuple):
    """A map [1, C, H, W] that takes a gradient, its regions, and their descriptors."""

    leaf: torch.Tensor
    pools: PooledRegions
    parts: Parts

    @property
    def boxes(self) -> np.ndarray:
        return self.pools.of(0) / np.tile(self.leaf.shape[:1:-1], 2)

    def heat(self, others: torch.Tensor) -> np.ndarray:
        """The inner products of the regions with others [N, D], split over the cells: [H, W]."""
        return cell_contributions([self.leaf], [self.pools], self.parts, others[None])[0].numpy()


def image_voters(region_sets: RegionSets, query: ImageRegions, image: str) -> Voters:
    """The voters for an image. Raises WorkbenchError for an unknown image."""
    row = region_sets.described.image_row(image)
    return _voters(region_sets.nearest(query.vectors), row)


def class_voters(compared: Classes, label: str) -> Voters:
    """The voters for a class. Raises WorkbenchError if it is unknown or the query is its only image."""
    if label not in compared.names:
        valid = ", ".join(compared.names[:20]) + (", …" if len(compared.names) > 20 else "")
        raise WorkbenchError(f"{label!r} is not a label; valid: {valid}")
    number = compared.names.index(label)
    if not compared.images[number]:
        raise WorkbenchError(f"{label!r} has no image but the query itself, so nothing votes for it")
    return _voters(compared.nearest, number)


def _voters(nearest: NearestMembers, column: int) -> Voters:
    return Voters(nearest.rows[:, column], float(1 - nearest.distances[:, column].mean() / 2))


def evidence(region_sets: RegionSets, maps: torch.Tensor, voters: Voters) -> Evidence:
    """Split a score, given the map [1, C, H, W] of the query and the voters."""
    ids = region_sets.described.collection.images
    image_rows = np.searchsorted(region_sets.sets.starts, voters.rows, "right") - 1
    query = _describe(region_sets, maps)
    query_vectors = query.parts.total.detach()[0]
    neighbours = torch.zeros_like(query.parts.linear[0])  # of each region of the query
    neighbour_regions = np.zeros(len(image_rows), np.int64)
    described: dict[int, _DescribedMap] = {}
    for row in np.unique(image_rows):
        image = described[int(row)] = _describe(region_sets, region_sets.described.maps(int(row))[0])
        voting = np.flatnonzero(image_rows == row)
        # Regions are found by their boxes: a box that is repeated in a map is stored once in the sets.
        distances = np.abs(image.boxes[None] - region_sets.boxes[voters.rows[voting]][:, None]).sum(2)
        neighbour_regions[voting] = distances.argmin(1)
        neighbours[voting] = image.parts.total.detach()[0, neighbour_regions[voting]]
    contributions = ((query_vectors * neighbours).sum(1) / len(query_vectors)).numpy()
    heatmaps = {}
    for row, image in described.items():
        others = torch.zeros_like(image.parts.linear[0])
        voting = np.flatnonzero(image_rows == row)
        regions = torch.from_numpy(neighbour_regions[voting])
        others.index_add_(0, regions, query_vectors[voting] / len(query_vectors))
        heatmaps[ids[row]] = image.heat(others)
    votes = Table(
        {
            "query_region": np.arange(len(image_rows)),
            "image_id": [ids[row] for row in image_rows],
            "image_region": neighbour_regions,
            "contribution": contributions.astype(float),
        }
    ).sort_values("contribution", ascending=False, kind="stable", ignore_index=True)
    query_heatmap = query.heat(neighbours / len(query_vectors))
    boxes = {ids[row]: image.boxes for row, image in described.items()}
    score = float(contributions.sum())
    constant = 0.0
    if region_sets.sets.codes is not None:
        score, constant = voters.score, voters.score - score
    levels = grid_levels([query.pools], [maps], region_sets.described.config)
    return Evidence(score, query_heatmap, query.boxes, heatmaps, boxes, votes, constant, levels)


def _describe(region_sets: RegionSets, maps: torch.Tensor) -> _DescribedMap:
    described = region_sets.described
    with torch.enable_grad():
        leaf = maps.detach().float().requires_grad_(True)
        pools = pool_image_regions(leaf, described)
        parts = region_parts(pools, described.config, described.descriptors)
        return _DescribedMap(leaf, pools, parts)
