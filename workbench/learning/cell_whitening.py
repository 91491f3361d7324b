"""Train the whitening of deep local features (HOW) on a labelled collection, the backbone frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import torch

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import Step
from workbench.descriptors.named_whitening import card_of_vectors
from workbench.descriptors.whitening import Whitening
from workbench.features.map_source import MapSource
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.augmentation import frozen_views
from workbench.learning.finetuning.cells import WeightedCells
from workbench.learning.finetuning.model import TrainedBlocks
from workbench.learning.finetuning.task import FinetuningTask, HeldOut, Views
from workbench.learning.finetuning.training_set import hold_out, labelled
from workbench.learning.photos import digest
from workbench.learning.trainer import (
    Report,
    TrainingSettings,
    no_report,
    require_share,
    train_epochs,
)
from workbench.learning.workspace import Workspace
from workbench.local.cell_source import fitted_whitening


@dataclass(frozen=True)
class CellWhiteningSettings(TrainingSettings):
    """Settings of the training, by AdamW with a ``rate`` that falls to zero as a cosine.

    A batch has ``each`` images of up to ``classes`` classes; an image is seen in one of ``views`` fixed views
    of ``side`` pixels. ``held_out`` is the share of images to validate on, and ``patience`` the number of
    epochs without a better validation after which training stops.
    """

    MINIMA: ClassVar[dict[str, int]] = {
        "epochs": 1, "classes": 2, "each": 2, "views": 1, "side": 64, "patience": 1
    }  # fmt: skip

    epochs: int = 20
    rate: float = 5e-3
    classes: int = 16
    each: int = 4
    views: int = 4
    side: int = 224
    held_out: float = 0.2
    patience: int = 5

    def validate(self) -> None:
        super().validate()
        require_share("held_out", self.held_out)


def train_cell_whitening(
    collection: Collection,
    options: Options,
    config: Config,
    name: str,
    settings: CellWhiteningSettings | None = None,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
) -> Path:
    """Train the whitening of a pipeline's cells; returns the file of the step ``lw:128:name``.

    It begins with PCA whitening of the training images' cells, at one scale, and is trained by the
    contrastive loss of the images' weighted sums of cells (``WeightedCells``). The paper keeps this whitening
    and trains the backbone instead, as ``finetune`` does with the pooling ``asmk``. The result is the epoch
    with the highest mAP of held-out images. A checkpoint is written after each epoch: if interrupted, the
    same call continues from it, to the same result. Raises WorkbenchError if there are no labels or nothing
    to validate on, the loss diverges or the disk is full.
    """
    settings = settings or CellWhiteningSettings()
    settings.validate()
    workspace = Workspace.of(options.cache, name)
    (step,) = config.whitenings
    source = MapSource.of(config, options)
    data = labelled(collection, progress)
    training, held_out = hold_out(data, settings.held_out, options.seed)
    about = {
        **card_of_vectors(config, source),
        "pipeline": str(config),
        "collection": collection.name,
        "labels": len(data.names),
        "notes": list(data.notes),
        "images": len(training),
        "held_out_images": len(held_out),
        "asked": int(step.args[0]),
        **asdict(settings),
        "seed": options.seed,
        "size": options.size,
        "precision": source.precision,
    }
    identity = [(images.header(picture.path).fingerprint, picture.box) for picture in data.pictures]
    plan = {**about, "digest": digest(identity, data.classes.tolist())}
    with workspace.training_lock():
        keys, unreadable = source.extract(data.pictures, 1, progress)
        for row, why in unreadable.items():
            raise WorkbenchError(f"image {data.ids[row]!r} cannot be used: {why}")
        pca = Step.parse("whitening", f"pcaw:{step.args[0]:g}")
        about_fit = {"collection": collection.name}
        initial = fitted_whitening(source, keys[0], pca, 1, training.tolist(), about_fit, progress)
        views_about = [source.layer, source.fingerprint, source.precision, settings.side, options.seed]
        maps = frozen_views(
            source.network,
            [data.pictures[row] for row in training],
            settings.views,
            settings.side,
            options.seed,
            options.cache / "views" / digest([identity[row] for row in training], views_about),
            progress,
        )
        cells = WeightedCells(initial, trained=True)
        task = FinetuningTask(
            TrainedBlocks(torch.nn.Sequential(cells), Step("mean"), source.device, source.precision),
            losses.loss("contrastive", initial.dimensions, len(data.names)),
            Views(maps, data.classes[training], settings.classes, settings.each, options.seed),
            HeldOut(source, [keys[0][row] for row in held_out], data.classes[held_out]),
            settings.rate,
            settings.epochs,
            lambda epochs: None,  # the checkpoint has the best weights
        )
        task.patience, task.return_best = settings.patience, True
        epochs = train_epochs(task, workspace.checkpoint, plan, progress, report)
        provenance = {
            **about,
            "vectors": initial.provenance["vectors"],
            "kept": initial.dimensions,
            "figures": [epoch.as_dict() for epoch in epochs],
            "command": command,
        }
        projection = cells.projection.detach().float().cpu().contiguous()
        return workspace.finish(Whitening("lw", initial.mean, projection, provenance).to_bytes())
