"""Locate a query in an image: its nearest region, with the box refined by the proposal network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from workbench.collections import images
from workbench.common.geometry import Box, as_box
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.region_search import pool_image_regions, region_vectors


class Location(NamedTuple):
    """The place of a query in an image: two boxes (x0, y0, x1, y1) in pixels of the upright image.

    ``score`` is the cosine between the query and the region, described as an image of its own. Without
    proposals the box is the region. ``size`` is the image's (width, height).
    """

    box: Box
    region: Box
    score: float
    size: tuple[int, int]

    @property
    def shares(self) -> list[float]:
        """The box as fractions of the image's width and height."""
        return [edge / side for edge, side in zip(self.box, 2 * self.size, strict=True)]


def locate(
    queries: torch.Tensor, maps: torch.Tensor, described: DescribedCollection, size: tuple[int, int]
) -> list[Location]:
    """Locate each query [Q, D] in one image, given its map [1, C, H, W] and its ``size`` (width, height).

    As in R-MAC (Tolias et al. 2016, section 4), but among the pipeline's own regions. If these are proposals,
    the head of Faster R-CNN then refines the box of the best one (Ren et al. 2015, section 3.1).
    """
    with torch.no_grad():
        pools = pool_image_regions(maps, described)
        vectors = region_vectors(pools, described.config, described.descriptors)[0]
        scores, best = (queries @ vectors.T).max(1)
    regions = pools.of(0)[best.numpy()].astype(float)
    boxes, trained = regions, described.descriptors.proposals
    if trained is not None and hasattr(trained.detector, "refine"):
        boxes = trained.detector.refine(maps, torch.from_numpy(regions)).boxes.numpy()
    cell_size = np.tile(np.array(size, float) / maps.shape[:1:-1], 2)  # pixels per cell
    return [
        Location(as_box(box * cell_size), as_box(region * cell_size), float(score), size)
        for box, region, score in zip(boxes, regions, scores, strict=True)
    ]


def locate_in_image(described: DescribedCollection, vector: torch.Tensor, image_id: str) -> Location:
    """Locate a query, by its descriptor [D], in an image of the collection.

    Raises WorkbenchError if the image is not of the collection, or the pipeline has no feature map.
    """
    row = described.image_row(image_id)
    require_maps(described.source)
    header = images.header(described.collection.path(described.collection.images[row]))
    maps = described.maps(row)[0]
    return locate(vector[None], maps, described, (header.width, header.height))[0]
