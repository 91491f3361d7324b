"""Training regional attention (Kim and Yoon, BMVC 2018), with class labels or, on any photos, without."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import Attention, learned, made_for
from workbench.features import weights
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning.composites import FEWEST, decoded, write
from workbench.learning.epochs import Epoch, Plan, Tensors, descend
from workbench.learning.regions import Batch, Regions, pool_once
from workbench.learning.writing import replace_file
from workbench.progress import Progress, silent

HIDDEN = 64
MOST_PHOTOS = 2000  # of a large collection, drawn by the seed
HELD_OUT = 0.1  # of the photos, with the composites that show them
SHARPENED = 3.0  # times the logits of the clean photo, where there are no labels


@dataclass(frozen=True)
class Settings:
    """How attention is trained. ``targets``: the class ``labels``, or the network's ``predictions`` of the
    clean photo. ``area``: regions count by their areas besides, in training and in use."""

    targets: str = "predictions"
    composites: int = 1000
    epochs: int = 8
    batch: int = 40
    rate: float = 1e-3
    levels: int = 5
    patience: int = 3
    area: bool = False

    def __post_init__(self) -> None:
        if self.targets not in ("labels", "predictions"):
            raise WorkbenchError(f"targets {self.targets!r} are not known; valid: labels, predictions")
        if min(self.composites, self.epochs) < 1:
            raise WorkbenchError(
                f"{self.composites} composites, {self.epochs} epochs: it takes one of each or more"
            )


def train(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: Settings | None = None,
    progress: Progress = silent,
    report: Callable[[Epoch], None] | None = None,
    command: str = "",
) -> Path:
    """Train attention on a collection's photos and composites of them: the file of ``attention:name``.

    The backbone and its classifier stay as they are. A checkpoint is kept after each epoch: broken off at
    any moment, the same call goes on there, to the same result. Raises WorkbenchError where there are too
    few photos, the labels are not the classifier's classes, the loss diverges or the disk is full.
    """
    settings = settings or Settings()
    Config.parse(f"{backbone}/max/rmac:{settings.levels}/attention:{name}")
    place = learned(options.cache, name)
    work = place.with_suffix(".training")
    source = MapSource.of(Config.parse(f"{backbone}/max/whole"), replace(options, cache=work))
    classifier = _classifier(source)
    photos = _photos(collection, options.seed)
    classes = _classes(collection, photos, len(classifier.weight)) if settings.targets == "labels" else None
    try:
        work.mkdir(parents=True, exist_ok=True)
        clear = decoded([collection.path(photo) for photo in photos], options.size, progress)
        made = write(clear, settings.composites, options.seed, work / "composites", progress)
    except OSError as error:
        raise WorkbenchError(
            f"training cannot write to {str(work)!r} ({error.strerror or error}): free some space, or choose "
            "another place with --cache; what is there is used by the next run"
        ) from None
    del clear
    pictures = [Picture(collection.path(photo)) for photo in photos] + [Picture(path) for path, _ in made]
    shown = np.array([*range(len(photos)), *(photo for _, photo in made)])
    keys, lost = source.extract(pictures, 1, progress)
    if lost:
        row, why = next(iter(lost.items()))
        raise WorkbenchError(f"photo {pictures[row].path.name!r} cannot be used: {why}")
    regions = pool_once(source, keys[0], settings.levels, work, progress)
    targets = _targets(classifier, regions, len(photos), classes)[shown]
    held = np.random.default_rng([options.seed, 1]).permutation(len(photos))[: _held_out(len(photos))]
    is_held = np.isin(shown, held)
    parameters = start(regions.images.shape[1], options.seed)

    def loss(rows: np.ndarray) -> torch.Tensor:
        logits = classifier(attended(parameters, regions.batch(rows), settings.area))
        return torch.nn.functional.cross_entropy(logits, targets[rows])

    about = {**made_for(source), "photos": len(photos), "collection": collection.name, **asdict(settings)}
    plan = Plan(settings.epochs, settings.batch, settings.rate, settings.patience, options.seed, about)
    best, epochs = descend(
        parameters,
        loss,
        np.flatnonzero(~is_held).tolist(),
        np.flatnonzero(is_held).tolist(),
        plan,
        work / "checkpoint.safetensors",
        progress,
        report,
    )
    card: dict[str, Any] = {
        **about,
        "seed": options.seed,
        "size": options.size,
        "precision": source.precision,
        "held_out": int(is_held.sum()),
        "steps": sum(-(-int((~is_held).sum()) // settings.batch) for _ in epochs),
        "figures": [asdict(epoch) for epoch in epochs],
        "kept": min(epochs, key=lambda epoch: epoch.validation).number,
        "command": command,
    }
    replace_file(place, Attention.of(best, card).to_bytes())
    shutil.rmtree(work, ignore_errors=True)
    return place


def attended(parameters: Tensors, batch: Batch, area: bool) -> torch.Tensor:
    """The mean [B, C] of each picture's maximum-pooled regions by their weights, which are not normalised."""
    weight = Attention.of(parameters)(batch.means, batch.images, batch.owner)
    if area:
        weight = weight * batch.areas
    count = torch.bincount(batch.owner, minlength=len(batch.images))
    total = torch.zeros_like(batch.images).index_add(0, batch.owner, weight[:, None] * batch.maxima)
    return total / count[:, None]


def start(channels: int, seed: int) -> Tensors:
    """Parameters to begin with: small random numbers, in the ranges that suit the layers' widths."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, width: int) -> torch.Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) / width**0.5

    return {
        "hidden": uniform(HIDDEN, 2 * channels, width=2 * channels),
        "hidden_bias": uniform(HIDDEN, width=2 * channels),
        "output": uniform(HIDDEN, width=HIDDEN),
        "output_bias": torch.zeros(()),
    }


def _photos(collection: Collection, seed: int) -> list[str]:
    """The images to train on, in order; of a large collection some, drawn by the seed."""
    photos = [image for image in collection.images if not collection.is_distractor(image)]
    if len(photos) < FEWEST:
        raise WorkbenchError(
            f"{collection.name!r} has {len(photos)} readable photos, too few to train attention on; "
            f"take {FEWEST} or more, better some hundreds"
        )
    if len(photos) > MOST_PHOTOS:
        drawn = np.random.default_rng(seed).choice(len(photos), MOST_PHOTOS, replace=False)
        photos = [photos[row] for row in sorted(drawn)]
    return photos


def _held_out(photos: int) -> int:
    return max(1, round(HELD_OUT * photos))


def _classes(collection: Collection, photos: Sequence[str], count: int) -> torch.Tensor:
    """The class of each photo, by its label or by its name up to the first ``_``; sorted, they are the
    classifier's classes, as in folders of ImageNet."""

    def label(photo: str) -> str:
        return collection.labels.get(photo) or Path(photo).name.split("_")[0]

    every = sorted({label(photo) for photo in collection.images})
    if len(every) != count:
        raise WorkbenchError(
            f"{collection.name!r} has {len(every)} labels, but the classifier knows {count} classes, which "
            "must be the same in the same order; train without labels"
        )
    return torch.tensor([every.index(label(photo)) for photo in photos])


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


def _targets(
    classifier: torch.nn.Linear, regions: Regions, photos: int, classes: torch.Tensor | None
) -> torch.Tensor:
    """What each photo should be classified as: its class, or the network's own sharpened prediction [K]."""
    if classes is not None:
        return classes
    return torch.softmax(SHARPENED * classifier(regions.images[:photos]), 1)
