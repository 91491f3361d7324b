"""Fine-tune the last blocks of a backbone for search on a labelled collection, through the pooling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.damage import DAMAGE
from workbench.common.files import replace_file
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.config.steps import Step
from workbench.features import models
from workbench.features.backbones import BackboneSpec, architecture
from workbench.features.map_source import MapSource, Picture
from workbench.learning import checkpoints
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.augmentation import frozen_views, view
from workbench.learning.finetuning.blocks import chain, split
from workbench.learning.finetuning.cells import with_cells
from workbench.learning.finetuning.edge_views import drawings, edge_pictures, edge_view
from workbench.learning.finetuning.model import TrainedBlocks
from workbench.learning.finetuning.task import FinetuningTask, HeldOut, Views
from workbench.learning.finetuning.training_set import hold_out, labelled
from workbench.learning.photos import digest
from workbench.learning.trainer import (
    Epoch,
    Report,
    TrainingSettings,
    best_epoch,
    no_report,
    require_share,
    train_epochs,
)
from workbench.learning.workspace import Workspace
from workbench.sketch.operators import edge_operator

# CroW holds its weights fixed, so no gradient passes. ``asmk`` is trained by the weighted sum of its cells.
POOLINGS = ("max", "mean", "gem", "asmk")


@dataclass(frozen=True)
class FinetuningSettings(TrainingSettings):
    """Settings of fine-tuning the last ``blocks`` by AdamW, whose ``rate`` falls to zero as a cosine.

    A batch has ``each`` images of up to ``classes`` classes; an image is seen in one of ``views`` fixed views
    of ``side`` pixels. ``held_out`` is the share of images to validate on, and ``patience`` the number of
    epochs without a better validation after which training stops. ``edges``: train on the contours of the
    images, distorted as hands draw, for search by sketch; validated on contours and distorted contours.
    """

    MINIMA: ClassVar[dict[str, int]] = {
        "epochs": 1, "classes": 2, "each": 2, "views": 1, "side": 64, "patience": 1
    }  # fmt: skip

    loss: losses.Name = "triplet"
    pooling: str = "gem:3"
    blocks: int = 4
    epochs: int = 8
    rate: float = 3e-4
    classes: int = 16
    each: int = 4
    views: int = 4
    side: int = 224
    held_out: float = 0.2
    patience: int = 3
    edges: bool = False

    def validate(self) -> None:
        pooling = Step.parse("pooling", self.pooling)
        if pooling.name not in POOLINGS:
            raise WorkbenchError(f"pooling {self.pooling}: fine-tuning takes {', '.join(POOLINGS)}")
        if self.loss not in losses.NAMES:
            raise WorkbenchError(f"loss {self.loss!r} is not known; valid: {', '.join(losses.NAMES)}")
        super().validate()
        require_share("held_out", self.held_out)


def finetune(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: FinetuningSettings | None = None,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
) -> Path:
    """Fine-tune a backbone on a labelled collection; returns the file of the backbone ``file:PATH``.

    The file holds the best epoch. The blocks before the trained ones run once; their maps are kept in the
    cache and serve other settings too. ``report`` is called with each epoch, number 0 being the untrained
    backbone. A checkpoint is written after each epoch: if interrupted, the same call continues from it, to
    the same result. Raises WorkbenchError if there are no labels or nothing to validate on, the loss diverges
    or the disk is full.
    """
    settings = settings or FinetuningSettings()
    workspace = Workspace.of(options.cache, name)
    settings.validate()
    source = MapSource.of(Config.parse(f"{backbone}/{settings.pooling}/whole"), options)
    if source.spec.name == f"file:{workspace.file}":
        raise WorkbenchError(f"{name!r} would overwrite the backbone it is trained from; choose another name")
    data = labelled(collection, progress)
    training, held_out = hold_out(data, settings.held_out, options.seed)
    pictures = [data.pictures[row] for row in training]
    validated, classes = [data.pictures[row] for row in held_out], data.classes[held_out]
    names = [data.ids[row] for row in held_out]
    model = models.load_backbone(source.spec, source.layer, options.weights, options.seed)
    stages = chain(model, source.card, source.layer)
    cut, last = split(stages, settings.blocks, source.spec.name)
    frozen = MapSource(replace(source.spec, layer=cut), "", replace(options, runtime="torch"))
    about = {
        **{"base": backbone, "weights": source.fingerprint, "layer": source.layer or "last"},
        **{"collection": collection.name, "labels": len(data.names), "notes": list(data.notes)},
        **{"images": len(training), "held_out_images": len(held_out), **asdict(settings)},
        **{"seed": options.seed, "size": options.size, "precision": source.precision},
    }
    plan = {**about, "digest": digest(_identity(data.pictures), [data.classes.tolist()])}
    operator = edge_operator(options).folder if settings.edges else ""
    if settings.edges:
        edges = edge_pictures([*pictures, *validated], options, progress)
        pictures, validated = edges[: len(pictures)], edges[len(pictures) :]
        folder = options.cache / "views" / digest(_identity(validated), [options.seed])
        validated += drawings(validated, folder, options.seed)
        classes, names = np.concatenate([classes, classes]), names + names
    views_digest = digest(
        _identity(pictures),
        [cut, source.fingerprint, source.precision, settings.side, options.seed, *filter(None, [operator])],
    )

    def write(state: checkpoints.Tensors, epochs: Sequence[Epoch], kept: Epoch) -> None:
        figures = {"kept": kept.number, "figures": [epoch.as_dict() for epoch in epochs]}
        text = json.dumps({**about, **figures, "command": command}, ensure_ascii=False)
        metadata = {"backbone": _architecture(source.spec), "card": text}
        replace_file(workspace.file, checkpoints.to_bytes(state, metadata))

    def publish(epochs: Sequence[Epoch]) -> None:
        prefixes = tuple(f"{path}." for path, _ in stages)
        state = {key: tensor for key, tensor in model.state_dict().items() if key.startswith(prefixes)}
        write(state, epochs, epochs[-1])

    with workspace.training_lock():
        if not workspace.file.is_file():  # deleted since: the checkpoint does not contain the best epoch
            workspace.checkpoint.unlink(missing_ok=True)
        keys, unreadable = frozen.extract(validated, 1, progress)
        for row, why in unreadable.items():
            raise WorkbenchError(f"image {names[row]!r} cannot be used: {why}")
        maps = frozen_views(
            frozen.network,
            pictures,
            settings.views,
            settings.side,
            options.seed,
            options.cache / "views" / views_digest,
            progress,
            edge_view if settings.edges else view,
        )
        pooling = Step.parse("pooling", settings.pooling)
        if pooling.name == "asmk":
            last.eval()
            last, pooling = with_cells(last, maps), Step("mean")
        blocks = TrainedBlocks(last, pooling, source.device, source.precision)
        criterion = losses.loss(settings.loss, blocks.channels(maps[0]), len(data.names))
        task = FinetuningTask(
            blocks,
            criterion,
            Views(maps, data.classes[training], settings.classes, settings.each, options.seed),
            HeldOut(frozen, keys[0], classes),
            settings.rate,
            settings.epochs,
            publish,
        )
        task.patience = settings.patience
        epochs = train_epochs(task, workspace.checkpoint, plan, progress, report)
        kept = best_epoch(epochs, task.objective, task.maximise)
        if kept and kept != epochs[-1]:  # its card contains the epochs after it, too
            write(load_file(workspace.file), epochs, kept)
        return workspace.finish()


def card(path: Path) -> dict[str, Any]:
    """The card of a fine-tuned file: data, settings, seed, figures of each epoch, command.

    Raises WorkbenchError if the file is something else.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["card"]))
    except DAMAGE as error:
        raise WorkbenchError(f"{str(path)!r} is no fine-tuned backbone ({type(error).__name__})") from None


def _architecture(spec: BackboneSpec) -> str:
    """The name of the architecture, as the metadata of weight files state it."""
    if spec.name.startswith("file:"):
        return architecture(Path(spec.name.removeprefix("file:")))
    return spec.name


def _identity(pictures: Sequence[Picture]) -> list[Any]:
    """Fingerprints and boxes, which change with the pictures."""
    return [(images.header(picture.path).fingerprint, picture.box) for picture in pictures]
