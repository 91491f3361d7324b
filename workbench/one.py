"""Image Classification and Retrieval are ONE (Xie, Hong, Zhang and Tian, ICMR 2015).

An image is the set of its regions' descriptors. How far a query is from another image, or from a class, is
the mean over the query's regions of the squared distance to the nearest region of that image, or of any
image of that class; so one search both ranks and classifies. That is nearest neighbours without
quantisation, image to class, as in NBNN (Boiman, Shechtman and Irani, CVPR 2008), on regions.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from workbench import asking
from workbench.collections.collection import Box
from workbench.config import Config, WorkbenchError
from workbench.described import Ready, mapped
from workbench.evaluation.boxes import as_box
from workbench.progress import Progress, silent
from workbench.region_search import RegionSearch, pools_of, region_vectors
from workbench.search import sets
from workbench.search.found import Found, ordered
from workbench.search.sets import Nearest, Sets


class Regions(NamedTuple):
    """A picture's regions: unit vectors [Q, D], and their boxes [Q, 4] as shares of width and height."""

    vectors: np.ndarray
    boxes: np.ndarray


class Vote(NamedTuple):
    """A region of the query, and the region of an image nearest to it in a class; boxes are shares.

    ``similarity`` is 1 - d²/2: the cosine, where regions are kept as they are.
    """

    region: int
    box: Box
    image_id: str
    image_box: Box
    similarity: float


@dataclass(frozen=True)
class One:
    """A collection as sets of regions, one for each image, in its order; ``boxes`` [R, 4] are shares."""

    ready: Ready
    config: Config
    sets: Sets
    boxes: np.ndarray = field(repr=False)

    def stored(self, image: str) -> Regions:
        """The regions of an image of the collection as they are kept, which with codes is not what they were:
        to ask by them, *offline*, nothing is computed of a picture."""
        row = self.ready.image_rows()[image]
        some = slice(self.sets.starts[row], self.sets.starts[row + 1])
        return Regions(self.sets.members(row), self.boxes[some])


def index(ready: Ready, config: Config, regions: RegionSearch, progress: Progress = silent) -> One:
    """Describe the regions of all images, and keep them as the pipeline's index says: exactly, or as codes.

    Raises WorkbenchError where the pipeline has no regions, or an index that does not reach all of them.
    """
    mapped(ready.source)
    count = len(ready.collection.images)
    parts: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * count
    for chunk in regions.chunks(ready, progress):
        for row, vectors, boxes in zip(chunk.rows, chunk.vectors.numpy(), chunk.boxes, strict=True):
            first = np.sort(np.unique(boxes, axis=0, return_index=True)[1])  # what fills up is left out
            parts[row] = vectors[first], boxes[first]
    starts = np.concatenate([[0], np.cumsum([len(vectors) for vectors, _ in parts])])
    every = np.concatenate([vectors for vectors, _ in parts])
    made = sets.build(every, starts, config.index_steps, ready.source.options.seed, progress)
    return One(ready, config, made, np.concatenate([boxes for _, boxes in parts]))


class Remembered:
    """The sets of the pipeline that was asked last."""

    def __init__(self, regions: RegionSearch) -> None:
        self._regions, self._lock = regions, threading.Lock()
        self._one: One | None = None

    def of(self, ready: Ready, config: Config, progress: Progress = silent) -> One:
        """The collection as sets of a pipeline's regions."""
        with self._lock:
            known = self._one
        if known is None or known.ready is not ready or known.config != config:
            known = index(ready, config, self._regions, progress)
            with self._lock:
                self._one = known
        return known


def asked(one: One, query: asking.Asked, box: Box | None = None, online: bool = True) -> Regions:
    """A query's regions. Raises WorkbenchError where it is to be asked offline, and is not kept as it is."""
    if online:
        return regions_of(one.ready, asking.maps(one.ready, query, box)[0])
    named = asking.named(one.ready.collection, query)
    if box is not None or named is None or named.image not in one.ready.image_rows() or named.box:
        raise WorkbenchError(
            f"query {str(query)!r} is not an image of {one.ready.collection.name!r} as it is kept, and "
            "can only be asked online"
        )
    return one.stored(named.image)


def own(one: One, query: asking.Asked) -> list[str]:
    """The images of the collection that are the query itself."""
    collection = one.ready.collection
    path = asking.file_of(collection, query)
    return [image for image in collection.images if path is not None and collection.path(image) == path]


def regions_of(ready: Ready, maps: torch.Tensor) -> Regions:
    """The regions of a picture by its map [1, C, H, W], described now: the query is *online*."""
    with torch.no_grad():
        pools = pools_of(maps, ready)
        vectors = region_vectors(pools, ready.config, ready.described)[0].numpy()
    return Regions(vectors, pools.of(0) / np.tile(maps.shape[:1:-1], 2))


def rank(one: One, query: Regions) -> Found:
    """All images, the nearest first. The score is 1 - d²/2 of the mean squared distance: the mean cosine of
    the nearest regions, where they are kept as they are."""
    distances = one.sets.nearest(query.vectors).distances.mean(0)
    return ordered(np.arange(len(distances)), (1 - distances / 2).astype(np.float32))


class Classes(NamedTuple):
    """The ``names`` of classes, the nearest region of each [Q, n], and of how many images each is."""

    names: list[str]
    nearest: Nearest
    images: np.ndarray


def classes(one: One, query: Regions, labels: Mapping[str, str], without: Sequence[str] = ()) -> Classes:
    """Compare a query with the classes of labelled images.

    Images named by ``without`` have no say, such as the query itself; a class that has no other is infinitely
    far. Raises WorkbenchError where no image has a label.
    """
    ids = one.ready.collection.images
    labelled = [row for row, image in enumerate(ids) if labels.get(image)]
    if not labelled:
        raise WorkbenchError(
            f"{one.ready.collection.name!r} has no labels, so there are no classes: open it with "
            "labels='folders' (--labels folders) where subfolders are labels, or give a labels.csv"
        )
    names = sorted({labels[ids[row]] for row in labelled})
    number = {name: n for n, name in enumerate(names)}
    left_out = set(without)
    asked = [row for row in labelled if ids[row] not in left_out]
    found = one.sets.nearest(query.vectors)
    owners = np.array([number[labels[ids[row]]] for row in asked], np.int64)
    nearest = by_class(Nearest(found.distances[:, asked], found.rows[:, asked]), owners, len(names))
    return Classes(names, nearest, np.bincount(owners, minlength=len(names)))


def classify(one: One, query: Regions, compared: Classes, k: int | None = None) -> pd.DataFrame:
    """The classes that a query was compared with, the nearest first.

    Columns: ``label``, ``score`` (1 - d²/2, as in ``rank``), ``images`` of that class that were compared, and
    ``votes``: for each of the query's regions a Vote, its nearest neighbour in that class. A class without
    images stands last, its score nan.
    """
    names, nearest, counts = compared
    scores = 1 - nearest.distances.mean(0) / 2
    order = np.argsort(-scores, kind="stable")[:k]  # what is infinitely far is last
    return pd.DataFrame(
        {
            "label": [names[n] for n in order],
            "score": np.where(np.isfinite(scores), scores, np.nan)[order],
            "images": counts[order],
            "votes": [_votes(one, query, nearest, n) if counts[n] else [] for n in order],
        }
    )


def by_class(nearest: Nearest, classes: np.ndarray, count: int) -> Nearest:
    """The nearest of each class [Q, count], from the nearest [Q, n] of images and their classes [n]."""
    distances = np.full((len(nearest.distances), count), np.inf, np.float32)
    rows = np.zeros(distances.shape, np.int64)
    order = np.argsort(classes, kind="stable")
    bounds = np.searchsorted(classes[order], np.arange(count + 1))
    for n in np.flatnonzero(np.diff(bounds)):
        some = order[bounds[n] : bounds[n + 1]]
        best = some[nearest.distances[:, some].argmin(1)]
        distances[:, n] = np.take_along_axis(nearest.distances, best[:, None], 1)[:, 0]
        rows[:, n] = np.take_along_axis(nearest.rows, best[:, None], 1)[:, 0]
    return Nearest(distances, rows)


def _votes(one: One, query: Regions, nearest: Nearest, number: int) -> list[Vote]:
    rows = nearest.rows[:, number]
    owners = np.searchsorted(one.sets.starts, rows, "right") - 1
    ids = one.ready.collection.images
    return [
        Vote(n, as_box(box), ids[owner], as_box(one.boxes[row]), 1 - float(distance) / 2)
        for n, (box, owner, row, distance) in enumerate(
            zip(query.boxes, owners, rows, nearest.distances[:, number], strict=True)
        )
    ]
