"""A collection as sets of regions, one for each image, and their cache."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.engine.description import DescribedCollection, require_maps
from workbench.engine.region_search import RegionSearch
from workbench.search import region_sets as sets
from workbench.search.region_sets import NearestMembers, RegionSetIndex


class ImageRegions(NamedTuple):
    """A picture's regions: unit vectors [Q, D], and their boxes [Q, 4] as fractions of width and height."""

    vectors: np.ndarray
    boxes: np.ndarray


class ImageClasses(NamedTuple):
    """The ``names`` of classes, sorted, and the number of the class of each image [N], -1 without a label."""

    names: list[str]
    of_images: np.ndarray


@dataclass(frozen=True)
class RegionSets:
    """A collection as sets of regions, one for each image, in its order; ``boxes`` [R, 4] are fractions."""

    described: DescribedCollection
    config: Config
    sets: RegionSetIndex
    boxes: np.ndarray = field(repr=False)
    _last: list[tuple[bytes, NearestMembers]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @cached_property
    def classes(self) -> ImageClasses:
        """The classes of the images, by the labels of the collection."""
        return image_classes(self.described.collection.images, self.described.collection.labels)

    def nearest(self, vectors: np.ndarray) -> NearestMembers:
        """The nearest region of every image for each region of a query [Q, D].

        That of the last query is kept: its images, its classes and their votes are from the same search.
        """
        wanted = vectors.tobytes()
        for query, nearest in self._last:
            if query == wanted:
                return nearest
        nearest = self.sets.nearest(vectors)
        self._last[:] = [(wanted, nearest)]
        return nearest

    def stored(self, image: str) -> ImageRegions:
        """The stored regions of an image of the collection, for an *offline* query that computes nothing.

        With codes they are approximations of the regions.
        """
        row = self.described.image_rows()[image]
        rows = slice(self.sets.starts[row], self.sets.starts[row + 1])
        return ImageRegions(self.sets.members(row), self.boxes[rows])


def build_region_sets(
    described: DescribedCollection, config: Config, regions: RegionSearch, progress: Progress = silent
) -> RegionSets:
    """Describe the regions of all images, and store them as the pipeline's index says: exactly, or as codes.

    Raises WorkbenchError if the pipeline has no regions, or an index that does not reach all of them.
    """
    require_maps(described.source)
    count = len(described.collection.images)
    parts: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * count
    for chunk in regions.chunks(described, progress):
        for row, vectors, boxes in zip(chunk.rows, chunk.vectors.numpy(), chunk.boxes, strict=True):
            # Repeated boxes, which fill a batch up, are left out.
            first = np.sort(np.unique(boxes, axis=0, return_index=True)[1])
            parts[row] = vectors[first], boxes[first]
    starts = np.concatenate([[0], np.cumsum([len(vectors) for vectors, _ in parts])])
    all_vectors = np.concatenate([vectors for vectors, _ in parts])
    seed = described.source.options.seed
    region_sets = sets.build(all_vectors, starts, config.index_steps, seed, progress)
    return RegionSets(described, config, region_sets, np.concatenate([boxes for _, boxes in parts]))


class RegionSetsCache:
    """The region sets of the last pipeline, kept in memory."""

    def __init__(self, regions: RegionSearch) -> None:
        self._regions, self._lock = regions, threading.Lock()
        self._cached: RegionSets | None = None

    def of(self, described: DescribedCollection, config: Config, progress: Progress = silent) -> RegionSets:
        """The collection as sets of a pipeline's regions."""
        with self._lock:
            region_sets = self._cached
        if region_sets is None or region_sets.described is not described or region_sets.config != config:
            region_sets = build_region_sets(described, config, self._regions, progress)
            with self._lock:
                self._cached = region_sets
        return region_sets


def image_classes(images: Sequence[str], labels: Mapping[str, str]) -> ImageClasses:
    """The classes of images by their labels; an empty label is none."""
    labels_of = [labels.get(image) for image in images]
    names = sorted({label for label in labels_of if label})
    number_of = {name: number for number, name in enumerate(names)}
    numbers = [number_of[label] if label else -1 for label in labels_of]
    return ImageClasses(names, np.array(numbers, np.int64))
