"""Train regional attention (Kim and Yoon, BMVC 2018), for retrieval or for classification."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from workbench.collections.collection import Collection
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.descriptors.attention import Attention
from workbench.features.cards import source_card
from workbench.features.device import single_threaded_operations
from workbench.learning.attention.data import TrainingData, TrainingPictures
from workbench.learning.attention.task import AttentionTask
from workbench.learning.trainer import Report, TrainingSettings, best_epoch, no_report, train_epochs
from workbench.learning.workspace import Workspace

TARGETS = ("photos", "predictions", "labels")


@dataclass(frozen=True)
class AttentionSettings(TrainingSettings):
    """Settings of attention training, by Adam with a ``rate`` that falls to zero and L2 ``decay``.

    ``targets``: a composite should retrieve the one of the ``photos`` that it shows, or be classified as the
    network's ``predictions`` for that photo, or by its class of the ``labels``. ``composites`` is the number
    of generated pictures, ``batch`` that of a step, ``levels`` that of the R-MAC grid. ``fidelity`` weights
    a term of the loss that keeps the descriptors of clean photos close to those with even weights.
    ``patience``: epochs without a higher held-out mAP after which training stops. ``area``: multiply weights
    with the regions' areas, in training and in use. ``centre``: the power of the centre prior with which
    weights are multiplied in use and for the held-out mAP, but not in the loss.
    """

    MINIMA: ClassVar[dict[str, int]] = {
        "composites": 2, "epochs": 1, "batch": 1, "levels": 1, "patience": 1,
        "fidelity": 0, "decay": 0, "centre": 0,
    }  # fmt: skip

    targets: str = "photos"
    composites: int = 4000
    epochs: int = 16
    batch: int = 40
    rate: float = 1e-3
    decay: float = 1e-3
    levels: int = 5
    fidelity: float = 5.0
    patience: int = 8
    area: bool = False
    centre: float = 0.5

    def validate(self) -> None:
        if self.targets not in TARGETS:
            raise WorkbenchError(f"targets {self.targets!r} are not known; valid: {', '.join(TARGETS)}")
        super().validate()


def train_attention(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: AttentionSettings | None = None,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
) -> Path:
    """Train attention on photos and composites of them; returns the file of ``attention:name``.

    The backbone is not changed. A checkpoint is written after each epoch: if interrupted, the same call
    continues from it, to the same result. Raises WorkbenchError if there are too few photos, the backbone has
    no classifier for the targets or the labels are not its classes, the loss diverges or the disk is full.
    """
    settings = settings or AttentionSettings()
    settings.validate()
    workspace = Workspace.of(options.cache, name)
    Config.parse(f"{backbone}/max/rmac:{settings.levels}/attention:{name}")
    data = TrainingData.of(collection, options, backbone, classify=settings.targets != "photos")
    if settings.targets == "labels":
        data.classes()  # raises before the long work
    with workspace.training_lock():
        data = data.readable(progress)
        pictures = data.pictures(settings.composites, settings.levels, workspace.folder, progress)
        attention = fit(data, pictures, settings, workspace.checkpoint, progress, report, command)
        return workspace.finish(attention.to_bytes())


def fit(
    data: TrainingData,
    pictures: TrainingPictures,
    settings: AttentionSettings,
    checkpoint: Path,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
) -> Attention:
    """Fit attention to the regions of pictures; the epoch with the highest held-out mAP is the result.

    A tenth of the photos is held out, with their composites, which are the queries of that mAP.
    """
    options = data.source.options
    task = AttentionTask(data, pictures, settings)
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
        "resize": data.source.resize,
        "precision": data.source.precision,
        "unreadable": len(data.collection.problems),
        "held_out": len(task.held_out),
        "steps": len(epochs) * len(task.batches(1)),
        "figures": [epoch.as_dict() for epoch in epochs],
        "kept": best.number if best else 0,
        "command": command,
    }
    return Attention.of(task.model.state_dict(), card)
