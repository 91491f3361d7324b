"""Train regional attention (Kim and Yoon, BMVC 2018), with class labels or, on any photos, without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from workbench.collections.collection import Collection
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.attention import Attention
from workbench.features.cards import source_card
from workbench.features.device import single_threaded_operations
from workbench.learning.attention.data import TrainingData
from workbench.learning.attention.region_pool import RegionBatch, RegionPool
from workbench.learning.checkpoints import Tensors
from workbench.learning.trainer import (
    Report,
    Task,
    TrainingSettings,
    best_epoch,
    no_report,
    sequential_sum,
    train_epochs,
)
from workbench.learning.workspace import Workspace

HIDDEN = 64
HELD_OUT = 0.1  # of the photos, with the composites that show them
SHARPENING = 3.0  # factor of the logits of the clean photo, if there are no labels


@dataclass(frozen=True)
class AttentionSettings(TrainingSettings):
    """Settings of attention training, by Adam with a constant ``rate`` and ``batch`` pictures a step.

    ``targets``: the class ``labels``, or the network's ``predictions`` for the clean photo. ``composites`` is
    the number of generated pictures, ``levels`` that of the R-MAC grid. ``patience``: epochs without a lower
    held-out loss after which training stops. ``area``: multiply weights with the regions' areas, in training
    and in use.
    """

    MINIMA: ClassVar[dict[str, int]] = {"composites": 1, "epochs": 1, "batch": 1, "levels": 1, "patience": 1}

    targets: str = "predictions"
    composites: int = 1000
    epochs: int = 8
    batch: int = 40
    rate: float = 1e-3
    levels: int = 5
    patience: int = 3
    area: bool = False

    def validate(self) -> None:
        if self.targets not in ("labels", "predictions"):
            raise WorkbenchError(f"targets {self.targets!r} are not known; valid: labels, predictions")
        super().validate()


def train_attention(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: AttentionSettings | None = None,
    progress: Progress = silent,
    report: Report = no_report,
    command: str = "",
) -> Path:
    """Train attention on photos and composites of them; returns the file of ``attention:name``.

    The backbone and its classifier are not changed. A checkpoint is written after each epoch: if interrupted,
    the same call continues from it, to the same result. Raises WorkbenchError if there are too few photos,
    the labels are not the classifier's classes, the loss diverges or the disk is full.
    """
    settings = settings or AttentionSettings()
    settings.validate()
    workspace = Workspace.of(options.cache, name)
    Config.parse(f"{backbone}/max/rmac:{settings.levels}/attention:{name}")
    data = TrainingData.of(collection, options, backbone)
    if settings.targets == "labels":
        data.classes()  # raises before the long work
    with workspace.training_lock():
        data = data.readable(progress)
        regions, shown = data.pictures(settings.composites, settings.levels, workspace.folder, progress)
        attention = fit(data, regions, shown, settings, workspace.checkpoint, progress, report, command)
        return workspace.finish(attention.to_bytes())


def fit(
    data: TrainingData,
    regions: RegionPool,
    shown: np.ndarray,
    settings: AttentionSettings,
    checkpoint: Path,
    progress: Progress = silent,
    report: Report = no_report,
    command: str = "",
) -> Attention:
    """Fit attention to the ``regions`` of pictures, for the classification by the frozen classifier.

    ``shown`` [n]: the row of the photo that each picture shows; a tenth of the photos is held out, with their
    composites. The loss is cross entropy, to the photo's class or to the prediction for the clean photo.
    """
    options = data.source.options
    task = AttentionTask(data, regions, shown, settings)
    about = {
        **source_card(data.source),
        "backbone": data.backbone,
        "photos": len(data.photos),
        "collection": data.collection.name,
        **asdict(settings),
    }
    with single_threaded_operations():  # so that the result does not depend on the number of cores
        epochs = train_epochs(task, checkpoint, {**about, "seed": options.seed}, progress, report)
    best = best_epoch(epochs, task.objective, task.maximise)
    card = {
        **about,
        "seed": options.seed,
        "size": options.size,
        "precision": data.source.precision,
        "unreadable": len(data.collection.problems),
        "held_out": len(task.held_out),
        "steps": len(epochs) * -(-len(task.training) // settings.batch),
        "figures": [epoch.as_dict() for epoch in epochs],
        "kept": best.number if best else 0,
        "command": command,
    }
    return Attention.of(task.model.state_dict(), card)


class AttentionTask(Task):
    """Attention as a task of the trainer: cross entropy of the classifier on attended pictures."""

    objective = "validation"
    return_best = True

    def __init__(
        self, data: TrainingData, regions: RegionPool, shown: np.ndarray, settings: AttentionSettings
    ) -> None:
        self.classifier, self.regions, self.settings = data.classifier, regions, settings
        self.seed, count = data.source.options.seed, len(data.photos)
        if settings.targets == "labels":
            self.targets = data.classes()[shown]
        else:
            logits = SHARPENING * data.classifier(regions.images[:count])
            self.targets = torch.softmax(logits, 1)[shown]
        photos = np.random.default_rng([self.seed, 1]).permutation(count)
        is_held_out = np.isin(shown, photos[: max(1, round(HELD_OUT * count))])
        self.training, self.held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
        self.parameters = torch.nn.ParameterDict(initial_parameters(regions.images.shape[1], self.seed))
        adam = torch.optim.Adam(self.parameters.parameters(), settings.rate)
        super().__init__(self.parameters, adam, settings.epochs)
        self.patience = settings.patience

    def batches(self, epoch: int) -> list[np.ndarray]:
        return self._split(np.random.default_rng([self.seed, epoch]).permutation(self.training))

    def loss(self, batch: np.ndarray) -> torch.Tensor:
        attended = attend(self.parameters, self.regions.batch(batch), self.settings.area)
        return torch.nn.functional.cross_entropy(self.classifier(attended), self.targets[batch])

    def mean_loss(self, losses: Any, batches: Any) -> float:
        """The mean over pictures, for the last batch is smaller."""
        sizes = [len(batch) for batch in batches]
        return sequential_sum(np.multiply(losses, sizes).tolist()) / sum(sizes)

    def validate(self, progress: Progress) -> dict[str, Any]:
        batches = self._split(self.held_out)
        with torch.no_grad():
            losses = [float(self.loss(batch)) for batch in batches]
        return {"validation": self.mean_loss(losses, batches)}

    def _split(self, rows: np.ndarray) -> list[np.ndarray]:
        return [
            rows[start : start + self.settings.batch] for start in range(0, len(rows), self.settings.batch)
        ]


def attend(
    parameters: Mapping[str, torch.Tensor] | torch.nn.ParameterDict, batch: RegionBatch, area: bool
) -> torch.Tensor:
    """The mean [B, C] of each picture's max-pooled regions times their weights, which are not normalised."""
    weights = Attention.of(dict(parameters.items()))(batch.means, batch.images, batch.owner)
    if area:
        weights = weights * batch.areas
    count = torch.bincount(batch.owner, minlength=len(batch.images))
    sums = torch.zeros_like(batch.images).index_add(0, batch.owner, weights[:, None] * batch.maxima)
    return sums / count[:, None]


def initial_parameters(channels: int, seed: int) -> Tensors:
    """Random parameters of attention, uniform within ± 1/√(inputs of the layer)."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, width: int) -> torch.Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) / width**0.5

    return {
        "hidden": uniform(HIDDEN, 2 * channels, width=2 * channels),
        "hidden_bias": uniform(HIDDEN, width=2 * channels),
        "output": uniform(HIDDEN, width=HIDDEN),
        "output_bias": torch.zeros(()),
    }
