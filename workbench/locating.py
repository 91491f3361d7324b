"""Locate a query in an image: its nearest region, with the box refined by the proposal network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Box
from workbench.described import Ready
from workbench.evaluation.boxes import as_box, bounds, outline_overlap, overlaps
from workbench.progress import Progress, silent
from workbench.region_search import pool_regions, region_vectors


class Located(NamedTuple):
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
    queries: torch.Tensor, maps: torch.Tensor, described: Ready, size: tuple[int, int]
) -> list[Located]:
    """Locate each query [Q, D] in one image, given its map [1, C, H, W] and its ``size`` (width, height).

    As in R-MAC (Tolias et al. 2016, section 4), but among the pipeline's own regions. If these are proposals,
    the head of Faster R-CNN then refines the box of the best one (Ren et al. 2015, section 3.1).
    """
    with torch.no_grad():
        pools = pool_regions(maps, described)
        vectors = region_vectors(pools, described.config, described.described)[0]
        scores, best = (queries @ vectors.T).max(1)
    regions = pools.of(0)[best.numpy()].astype(float)
    boxes, trained = regions, described.described.proposals
    if trained is not None and hasattr(trained.detector, "refine"):
        boxes = trained.detector.refine(maps, torch.from_numpy(regions)).boxes.numpy()
    cell_size = np.tile(np.array(size, float) / maps.shape[:1:-1], 2)  # pixels per cell
    return [
        Located(as_box(box * cell_size), as_box(region * cell_size), float(score), size)
        for box, region, score in zip(boxes, regions, scores, strict=True)
    ]


def mean_overlap(described: Ready, progress: Progress = silent) -> dict[str, float]:
    """The mean IoU 0…1 of the located box with the ground truth, over each query and its positives.

    ``localisation_box`` is the IoU with the outline, ``localisation_box_bounds`` with its bounding box, both
    cut at the image's borders. Empty if the ground truth has no outlines.
    """
    ious = list(_overlaps(described, progress))
    if not ious:
        return {}
    outline, box = np.mean(ious, axis=0).tolist()
    return {"localisation_box": outline, "localisation_box_bounds": box}


def _overlaps(described: Ready, progress: Progress) -> Iterator[tuple[float, float]]:
    """The IoU of the located box with the outline and with its bounds, by query and positive."""
    collection, row_of = described.collection, described.image_rows()
    queries_of: dict[str, list[tuple[str, int]]] = {}  # by image, so that its map is read once
    for query, row in zip(collection.queries, described.query_rows(), strict=True):
        for image, grade in collection.relevance[query.id].items():
            if grade != "junk" and (query.id, image) in collection.quadrilaterals:
                queries_of.setdefault(image, []).append((query.id, row))
    for done, (image, queries) in enumerate(queries_of.items()):
        progress("locating boxes", done, len(queries_of))
        header = images.header(collection.path(image))
        size = header.width, header.height
        vectors = described.described.vectors[[row for _, row in queries]]
        locations = locate(vectors, described.maps(row_of[image])[0], described, size)
        for (query_id, _), location in zip(queries, locations, strict=True):
            corners = collection.quadrilaterals[query_id, image]
            yield (
                outline_overlap(location.box, corners, size),
                float(overlaps(np.array([location.box]), bounds(corners, size))[0, 0]),
            )
