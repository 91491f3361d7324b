"""What attention is trained on: photos and composites of them, pooled once, and the frozen classifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.features import weights
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning.attention.composites import FEWEST, decoded, write
from workbench.learning.attention.region_pool import Regions, pool_once
from workbench.progress import Progress, silent

MOST_PHOTOS = 2000  # of a large collection, drawn by the seed


@dataclass(frozen=True)
class Lesson:
    """A collection's ``photos`` to learn from, and the network whose ``classifier`` teaches."""

    collection: Collection
    source: MapSource
    classifier: torch.nn.Linear
    photos: list[str]
    backbone: str

    @classmethod
    def of(cls, collection: Collection, options: Options, backbone: str) -> Lesson:
        """Raises WorkbenchError where photos are too few, or the backbone has no linear classifier."""
        source = MapSource.of(Config.parse(f"{backbone}/max/whole"), options)
        return cls(collection, source, _classifier(source), _photos(collection, options.seed), backbone)

    def classes(self) -> torch.Tensor:
        """The class of each photo, by its label or by its name up to the first ``_``; sorted, they must be
        the classifier's classes, as in folders of ImageNet."""
        photos = [*self.collection.images, *(photo for photo, _ in self.collection.problems)]
        labels = self.collection.labels or {photo: Path(photo).name.split("_")[0] for photo in photos}
        every = sorted(set(labels.values()))
        if len(every) != len(self.classifier.weight):
            raise WorkbenchError(
                f"{self.collection.name!r} has {len(every)} labels, but the classifier knows "
                f"{len(self.classifier.weight)} classes, which must be the same in the same order; train "
                "without labels"
            )
        return torch.tensor([every.index(labels[photo]) for photo in self.photos])

    def readable(self, progress: Progress = silent) -> Lesson:
        """Without the photos that cannot be read, which go to the collection's report.

        Maps of the others go to the cache's store, as those of any pipeline do.
        """
        paths = [self.collection.path(photo) for photo in self.photos]
        _, lost = self.source.extract([Picture(path) for path in paths], 1, progress)
        collection = self.collection.without((self.photos[row], why) for row, why in lost.items())
        photos = [photo for row, photo in enumerate(self.photos) if row not in lost]
        return replace(self, collection=_enough(collection, photos), photos=photos)

    def pictures(
        self, composites: int, levels: int, work: Path, progress: Progress = silent
    ) -> tuple[Regions, np.ndarray]:
        """The regions of all photos and then of composites of them, and the photo (row) that each shows.

        Composites and their maps go to the folder ``work``, from which the next call takes what is there.
        Raises WorkbenchError where a photo cannot be read.
        """
        options = self.source.options
        paths = [self.collection.path(photo) for photo in self.photos]
        try:
            work.mkdir(parents=True, exist_ok=True)
            clear = decoded(paths, options.size, progress)
            made = write(clear, composites, options.seed, work / "composites", progress)
        except OSError as error:
            raise WorkbenchError(
                f"training cannot write to {str(work)!r} ({error.strerror or error}): free some space, or "
                "choose another place with --cache; what is there is used by the next run"
            ) from None
        del clear
        theirs = MapSource(self.source.spec, "max", replace(options, cache=work))
        keys = _extract(self.source, paths, progress)
        made_keys = _extract(theirs, [path for path, _ in made], progress)
        after = (([len(keys) + row for row in rows], maps) for rows, maps in theirs.batches(made_keys, 0))
        regions = pool_once(
            chain(self.source.batches(keys, 0), after), len(keys) + len(made), levels, work, progress
        )
        return regions, np.array([*range(len(keys)), *(photo for _, photo in made)])


def _extract(source: MapSource, paths: list[Path], progress: Progress) -> list[str]:
    keys, lost = source.extract([Picture(path) for path in paths], 1, progress)
    if lost:
        row, why = next(iter(lost.items()))
        raise WorkbenchError(f"photo {paths[row].name!r} cannot be used: {why}")
    return keys[0]


def _enough(collection: Collection, photos: list[str]) -> Collection:
    if len(photos) < FEWEST:
        raise WorkbenchError(
            f"{collection.name!r} has {len(photos)} readable photos, too few to train attention on; "
            f"take {FEWEST} or more, better some hundreds"
        )
    return collection


def _photos(collection: Collection, seed: int) -> list[str]:
    """The images to train on, in order; of a large collection some, drawn by the seed."""
    photos = [image for image in collection.images if not collection.is_distractor(image)]
    _enough(collection, photos)
    if len(photos) > MOST_PHOTOS:
        drawn = np.random.default_rng(seed).choice(len(photos), MOST_PHOTOS, replace=False)
        photos = [photos[row] for row in sorted(drawn)]
    return photos


def _classifier(source: MapSource) -> torch.nn.Linear:
    """The backbone's own last layer, from the map's mean to logits. Raises WorkbenchError without one."""
    model = weights.load(
        source.spec, source.layer, source.options.weights, "cpu", "float32", source.options.seed
    ).model
    heads = [getattr(model, "fc", None), getattr(model, "classifier", None), getattr(model, "head", None)]
    for head in heads:
        layers = [part for part in head.modules() if isinstance(part, torch.nn.Linear)] if head else []
        if len(layers) == 1:
            return layers[0].requires_grad_(False)
    raise WorkbenchError(
        f"{source.spec.name} has no classifier of one linear layer, through which attention is trained; "
        "valid: efficientnet_lite0, resnet18, resnet50, resnet101, mobilenet_v2"
    )
