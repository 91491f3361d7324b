"""Image Classification and Retrieval are ONE (Xie, Hong, Zhang and Tian, ICMR 2015).

An image is the set of its regions' descriptors. The distance of a query to an image, or to a class, is the
mean over the query's regions of the squared distance to the nearest region of that image, or of any image of
that class; one search both ranks and classifies. This is nearest neighbours without quantisation, image to
class, as in NBNN (Boiman, Shechtman and Irani, CVPR 2008), on regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench.collections.lookup import images_at
from workbench.common.geometry import Box, as_box
from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.engine.image_regions import ImageClasses, ImageRegions, RegionSets
from workbench.engine.queries import QueryLike, find_query, query_file, query_maps
from workbench.engine.region_search import pool_image_regions, region_vectors
from workbench.search.ranking import Ranking, sorted_ranking
from workbench.search.region_sets import NearestMembers, maxima


class Vote(NamedTuple):
    """A region of the query, and its nearest region among the images of a class. Boxes are fractions.

    ``similarity`` is 1 - d²/2: the cosine, if regions are stored exactly.
    """

    region: int
    box: Box
    image_id: str
    image_box: Box
    similarity: float


def query_regions(
    region_sets: RegionSets, query: QueryLike, box: Box | None = None, online: bool = True
) -> ImageRegions:
    """A query's regions, described now, or not ``online`` as they are stored.

    Raises WorkbenchError if an offline query is not an uncropped image of the collection.
    """
    if online:
        return describe_regions(region_sets.described, query_maps(region_sets.described, query, box)[0])
    collection = region_sets.described.collection
    entry = find_query(collection, query)
    if (
        box is not None
        or entry is None
        or entry.image not in region_sets.described.image_rows()
        or entry.box is not None
    ):
        raise WorkbenchError(
            f"query {str(query)!r} is not a whole image of {collection.name!r} whose regions are stored, and "
            "can only be asked online"
        )
    return region_sets.stored(entry.image)


def query_images(region_sets: RegionSets, query: QueryLike) -> list[str]:
    """The images of the collection that are the query itself."""
    collection = region_sets.described.collection
    path = query_file(collection, query)
    return [] if path is None else images_at(collection, path)


def describe_regions(described: DescribedCollection, maps: torch.Tensor) -> ImageRegions:
    """Describe the regions of a picture by its map [1, C, H, W], for an *online* query."""
    with torch.no_grad():
        pools = pool_image_regions(maps, described)
        vectors = region_vectors(pools, described.config, described.descriptors)[0].numpy()
    return ImageRegions(vectors, pools.of(0) / np.tile(maps.shape[:1:-1], 2))


def rank(region_sets: RegionSets, query: ImageRegions) -> Ranking:
    """Rank all images, the nearest first.

    The score is 1 - d²/2 of the mean squared distance: the mean cosine of the nearest regions, if regions are
    stored exactly.
    """
    distances = region_sets.nearest(query.vectors).distances.mean(0)
    return sorted_ranking(np.arange(len(distances)), (1 - distances / 2).astype(np.float32))


class Classes(NamedTuple):
    """The ``names`` of classes, the nearest region of each class [Q, n], and its number of images [n]."""

    names: list[str]
    nearest: NearestMembers
    images: np.ndarray


def compare_classes(
    region_sets: RegionSets, query: ImageRegions, classes: ImageClasses, without: Sequence[str] = ()
) -> Classes:
    """Compare a query with the classes of images.

    The images ``without``, such as the query itself, are left out; a class with no other image is infinitely
    far. Raises WorkbenchError if no image has a label.
    """
    names, class_of = classes
    if not names:
        raise WorkbenchError(
            f"{region_sets.described.collection.name!r} has no labels, so there are no classes: open it with "
            "labels='folders' (--labels folders) where subfolders are labels, or give a labels.csv"
        )
    rows = region_sets.described.image_rows()
    compared = class_of >= 0
    compared[[rows[image] for image in without if image in rows]] = False
    nearest = region_sets.nearest(query.vectors)
    compared_nearest = NearestMembers(nearest.distances[:, compared], nearest.rows[:, compared])
    return Classes(
        names,
        nearest_by_class(compared_nearest, class_of[compared], len(names)),
        np.bincount(class_of[compared], minlength=len(names)),
    )


def classify(
    region_sets: RegionSets, query: ImageRegions, compared: Classes, k: int | None = None
) -> pd.DataFrame:
    """Rank the classes that a query was compared with, the nearest first.

    Columns: ``label``, ``score`` (1 - d²/2, as in ``rank``), ``images`` (how many of the class were
    compared), and ``votes``: for each of the query's regions a Vote, its nearest neighbour in that class. A
    class without images is last, and its score is nan.
    """
    names, nearest, counts = compared
    scores = 1 - nearest.distances.mean(0) / 2
    order = np.argsort(-scores, kind="stable")[:k]  # infinitely far classes are last
    voted = iter(_votes(region_sets, query, nearest, order[counts[order] > 0]))
    return Table(
        {
            "label": [names[n] for n in order],
            "score": np.where(np.isfinite(scores), scores, np.nan)[order],
            "images": counts[order],
            "votes": [next(voted) if counts[n] else [] for n in order],
        }
    )


def nearest_by_class(nearest: NearestMembers, classes: np.ndarray, count: int) -> NearestMembers:
    """The nearest region of each class [Q, count], given those of images [Q, n] and their classes [n]."""
    distances = np.full((len(nearest.distances), count), np.inf, np.float32)
    rows = np.zeros(distances.shape, np.int64)
    order = np.argsort(classes, kind="stable")
    bounds = np.searchsorted(classes[order], np.arange(count + 1))
    filled = np.flatnonzero(np.diff(bounds))
    best, columns = maxima(-nearest.distances[:, order], bounds[:-1][filled], bounds[1:][filled])
    distances[:, filled] = -best
    rows[:, filled] = np.take_along_axis(nearest.rows, order[columns], 1)
    return NearestMembers(distances, rows)


def _votes(
    region_sets: RegionSets, query: ImageRegions, nearest: NearestMembers, classes: np.ndarray
) -> list[list[Vote]]:
    """The votes of the query's regions for each of these classes."""
    ids, boxes = region_sets.described.collection.images, [as_box(box) for box in query.boxes]
    rows, similarities = nearest.rows[:, classes], 1 - nearest.distances[:, classes].astype(float) / 2
    images = np.searchsorted(region_sets.sets.starts, rows, "right") - 1
    image_boxes = region_sets.boxes[rows]
    return [
        [
            Vote(n, boxes[n], ids[image], as_box(image_boxes[n, column]), similarity)
            for n, (image, similarity) in enumerate(zip(*numbers, strict=True))
        ]
        for column, numbers in enumerate(zip(images.T.tolist(), similarities.T.tolist(), strict=True))
    ]
