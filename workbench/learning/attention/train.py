"""Training regional attention (Kim and Yoon, BMVC 2018), with class labels or, on any photos, without."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import Attention, learned, made_for
from workbench.features.hardware import one_thread_each
from workbench.features.maps import Options
from workbench.learning.attention.data import Lesson
from workbench.learning.attention.region_pool import Batch, Regions
from workbench.learning.trainer import Epoch, Plan, Tensors, descend
from workbench.learning.workspace import alone, require_name
from workbench.progress import Progress, silent
from workbench.writing import replace_file

HIDDEN = 64
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
    require_name(name)
    Config.parse(f"{backbone}/max/rmac:{settings.levels}/attention:{name}")
    place = learned(options.cache, name)
    work = place.with_suffix(".training")
    lesson = Lesson.of(collection, options, backbone)
    if settings.targets == "labels":
        lesson.classes()  # before the long work
    with alone(work, name):
        lesson = lesson.readable(progress)
        regions, shown = lesson.pictures(settings.composites, settings.levels, work, progress)
        checkpoint = work / "checkpoint.safetensors"
        attention = fit(lesson, regions, shown, settings, checkpoint, progress, report, command)
        replace_file(place, attention.to_bytes())
        shutil.rmtree(work, ignore_errors=True)
    return place


def fit(
    lesson: Lesson,
    regions: Regions,
    shown: np.ndarray,
    settings: Settings,
    checkpoint: Path,
    progress: Progress = silent,
    report: Callable[[Epoch], None] | None = None,
    command: str = "",
) -> Attention:
    """Fit attention to pictures' ``regions``, so that the frozen classifier sees in each what it should.

    ``shown``: the photo (row) that each picture shows; a tenth of the photos is held out, with their
    composites. The loss is cross entropy, to the photo's class or to the prediction on the clean photo.
    """
    options, count = lesson.source.options, len(lesson.photos)
    if settings.targets == "labels":
        targets = lesson.classes()[shown]
    else:
        targets = torch.softmax(SHARPENED * lesson.classifier(regions.images[:count]), 1)[shown]
    held = np.random.default_rng([options.seed, 1]).permutation(count)[: max(1, round(HELD_OUT * count))]
    is_held = np.isin(shown, held)
    parameters = start(regions.images.shape[1], options.seed)

    def loss(rows: np.ndarray) -> torch.Tensor:
        logits = lesson.classifier(attended(parameters, regions.batch(rows), settings.area))
        return torch.nn.functional.cross_entropy(logits, targets[rows])

    about = {
        **made_for(lesson.source),
        "backbone": lesson.backbone,
        "photos": count,
        "collection": lesson.collection.name,
        **asdict(settings),
    }
    plan = Plan(settings.epochs, settings.batch, settings.rate, settings.patience, options.seed, about)
    training, held_out = np.flatnonzero(~is_held).tolist(), np.flatnonzero(is_held).tolist()
    with one_thread_each():  # so that the result does not depend on the number of cores
        best, epochs = descend(parameters, loss, training, held_out, plan, checkpoint, progress, report)
    card = {
        **about,
        "seed": options.seed,
        "size": options.size,
        "precision": lesson.source.precision,
        "unreadable": len(lesson.collection.problems),
        "held_out": len(held_out),
        "steps": len(epochs) * -(-len(training) // settings.batch),
        "figures": [asdict(epoch) for epoch in epochs],
        "kept": min(epochs, key=lambda epoch: epoch.validation).number,
        "command": command,
    }
    return Attention.of(best, card)


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
