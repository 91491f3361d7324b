"""Training data of attention: photos and composites of them, their pooled regions, the frozen classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from workbench.collections.collection import Collection
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import models
from workbench.features.map_source import MapSource, Picture
from workbench.learning.attention.composites import FEWEST, decode_photos, write_composites
from workbench.learning.attention.region_pool import RegionPool, pool_regions
from workbench.learning.photos import draw_photos

MOST_PHOTOS = 2000  # of a large collection, drawn by the seed


@dataclass(frozen=True)
class TrainingPictures:
    """The regions of m photos and then of n composites, the photo (row) that each picture shows [m + n], and
    the box of the target of each composite [n, 4], in shares of width and height.
    """

    regions: RegionPool
    shown: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class TrainingData:
    """The ``photos`` of a collection to train on, and the network's ``classifier`` if the loss needs it."""

    collection: Collection
    source: MapSource
    classifier: torch.nn.Linear | None
    photos: list[str]
    backbone: str

    @classmethod
    def of(
        cls, collection: Collection, options: Options, backbone: str, classify: bool = False
    ) -> TrainingData:
        """``classify``: the loss is that of the backbone's classifier.

        Raises WorkbenchError if there are too few photos or the backbone has no linear classifier.
        """
        source = MapSource.of(Config.parse(f"{backbone}/max/whole"), options)
        photos = draw_photos(collection, MOST_PHOTOS, options.seed)
        _require_enough(collection, photos)
        classifier = linear_classifier(source) if classify else None
        return cls(collection, source, classifier, photos, backbone)

    def classes(self) -> torch.Tensor:
        """The class number of each photo, by its label or by its file name up to the first ``_``.

        The sorted labels must be the classifier's classes, as in folders of ImageNet. Raises WorkbenchError
        if their numbers differ.
        """
        photos = [*self.collection.images, *(photo for photo, _ in self.collection.problems)]
        labels = self.collection.labels or {photo: Path(photo).name.split("_")[0] for photo in photos}
        names = sorted(set(labels.values()))
        assert self.classifier is not None
        if len(names) != len(self.classifier.weight):
            raise WorkbenchError(
                f"{self.collection.name!r} has {len(names)} labels, but the classifier knows "
                f"{len(self.classifier.weight)} classes, which must be the same in the same order; train "
                "without labels"
            )
        return torch.tensor([names.index(labels[photo]) for photo in self.photos])

    def readable(self, progress: Progress = silent) -> TrainingData:
        """A copy without the unreadable photos, which are added to the collection's report.

        The maps of the other photos are written to the cache's store, as those of any pipeline. Raises
        WorkbenchError if too few are left.
        """
        paths = [self.collection.path(photo) for photo in self.photos]
        _, unreadable = self.source.extract([Picture(path) for path in paths], 1, progress)
        collection = self.collection.without((self.photos[row], why) for row, why in unreadable.items())
        photos = [photo for row, photo in enumerate(self.photos) if row not in unreadable]
        _require_enough(collection, photos)
        return replace(self, collection=collection, photos=photos)

    def pictures(
        self, composites: int, levels: int, folder: Path, progress: Progress = silent
    ) -> TrainingPictures:
        """The regions of all photos and then of composites of them.

        Composites and their maps are written to ``folder`` and reused by the next call. Raises WorkbenchError
        if a photo cannot be read or the disk is full.
        """
        options = self.source.options
        paths = [self.collection.path(photo) for photo in self.photos]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            photos = decode_photos(paths, options.size, progress)
            written = write_composites(photos, composites, options.seed, folder / "composites", progress)
        except OSError as error:
            raise WorkbenchError(
                f"training cannot write to {str(folder)!r} ({error.strerror or error}): free some space, or "
                "choose another place with --cache; the next run reuses the files that are there"
            ) from None
        del photos  # frees their memory
        composite_source = MapSource(self.source.spec, "max", replace(options, cache=folder))
        keys = _extract(self.source, paths, progress)
        composite_keys = _extract(composite_source, [composite.path for composite in written], progress)
        composite_batches = (
            ([len(keys) + row for row in rows], maps)
            for rows, maps in composite_source.batches(composite_keys, 0)
        )
        batches = chain(self.source.batches(keys, 0), composite_batches)
        regions = pool_regions(batches, len(keys) + len(written), levels, folder, progress)
        shown = np.array([*range(len(keys)), *(composite.photo for composite in written)])
        return TrainingPictures(regions, shown, np.array([composite.box for composite in written]))


def linear_classifier(source: MapSource) -> torch.nn.Linear:
    """The backbone's frozen last layer, from the map's mean to logits. Raises WorkbenchError without one."""
    model = models.load_network(
        source.spec, source.layer, source.options.weights, "cpu", "float32", source.options.seed
    ).model
    heads = [getattr(model, "fc", None), getattr(model, "classifier", None), getattr(model, "head", None)]
    for head in heads:
        layers = [part for part in head.modules() if isinstance(part, torch.nn.Linear)] if head else []
        if len(layers) == 1:
            return layers[0].requires_grad_(False)
    raise WorkbenchError(
        f"{source.spec.name} has no classifier of one linear layer; train for the targets photos, or "
        "choose a backbone with a classifier: efficientnet_lite0, resnet18, resnet50, resnet101, mobilenet_v2"
    )


def _extract(source: MapSource, paths: list[Path], progress: Progress) -> list[str]:
    keys, unreadable = source.extract([Picture(path) for path in paths], 1, progress)
    if unreadable:
        row, why = next(iter(unreadable.items()))
        raise WorkbenchError(f"photo {paths[row].name!r} cannot be used: {why}")
    return keys[0]


def _require_enough(collection: Collection, photos: list[str]) -> None:
    if len(photos) < FEWEST:
        raise WorkbenchError(
            f"{collection.name!r} has {len(photos)} readable photos, too few to train attention on; "
            f"take {FEWEST} or more, better some hundreds"
        )
