"""Where in an image is what was asked for? Its region nearest to the query, and the box moved to fit."""

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
from workbench.region_search import pools_of, region_vectors


class Located(NamedTuple):
    """``box`` and ``region`` in pixels of the upright image (x0, y0, x1, y1); ``score`` is the cosine of the
    region, described as an image of its own, with the query. Without proposals the box is the region.
    ``size`` is the image's (width, height)."""

    box: Box
    region: Box
    score: float
    size: tuple[int, int]

    @property
    def shares(self) -> list[float]:
        """The box as shares of the image's width and height."""
        return [edge / side for edge, side in zip(self.box, 2 * self.size, strict=True)]


def locate(queries: torch.Tensor, maps: torch.Tensor, ready: Ready, size: tuple[int, int]) -> list[Located]:
    """Where in an image of that (width, height), by its map [1, C, H, W], each of some queries [Q, D] is.

    As R-MAC locates (Tolias et al. 2016, section 4), but among the pipeline's own regions. Where they are
    proposals, the head of Faster R-CNN then moves the sides of the best one (Ren et al. 2015, section 3.1).
    """
    with torch.no_grad():
        pools = pools_of(maps, ready)
        scores, best = (queries @ region_vectors(pools, ready.config, ready.described)[0].T).max(1)
    regions = pools.of(0)[best.numpy()].astype(float)
    boxes, trained = regions, ready.described.proposals
    if trained is not None and hasattr(trained.detector, "refine"):
        boxes = trained.detector.refine(maps, torch.from_numpy(regions)).boxes.numpy()
    pixels = np.tile(np.array(size, float) / maps.shape[:1:-1], 2)
    return [
        Located(as_box(box * pixels), as_box(region * pixels), float(score), size)
        for box, region, score in zip(boxes, regions, scores, strict=True)
    ]


def mean_overlap(ready: Ready, progress: Progress = silent) -> dict[str, float]:
    """Over each query and its positives, the mean IoU of the box located with what was asked for, 0…1.

    ``localisation_box`` is of the outline, ``localisation_box_bounds`` of its bounding box, both as far as
    they lie in the picture. Empty where the ground truth knows no outlines.
    """
    found = list(_overlaps(ready, progress))
    if not found:
        return {}
    outline, box = np.mean(found, axis=0).tolist()
    return {"localisation_box": outline, "localisation_box_bounds": box}


def _overlaps(ready: Ready, progress: Progress) -> Iterator[tuple[float, float]]:
    collection, row_of = ready.collection, ready.image_rows()
    sought: dict[str, list[tuple[str, int]]] = {}  # of each image, so that its map is looked at once
    for query, row in zip(collection.queries, ready.query_rows(), strict=True):
        for image, grade in collection.relevance[query.id].items():
            if grade != "junk" and (query.id, image) in collection.quadrilaterals:
                sought.setdefault(image, []).append((query.id, row))
    for done, (image, some) in enumerate(sought.items()):
        progress("locating boxes", done, len(sought))
        header = images.header(collection.path(image))
        size = header.width, header.height
        asked = ready.described.vectors[[row for _, row in some]]
        for (query_id, _), found in zip(
            some, locate(asked, ready.maps(row_of[image])[0], ready, size), strict=True
        ):
            corners = collection.quadrilaterals[query_id, image]
            yield (
                outline_overlap(found.box, corners, size),
                float(overlaps(np.array([found.box]), bounds(corners, size))[0, 0]),
            )
