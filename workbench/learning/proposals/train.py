"""Train region proposals (Ren et al., NIPS 2015) on the maps of a frozen backbone, for one class."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
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
from workbench.descriptors.rpn import PICTURE_PREFIX
from workbench.features.cards import source_card
from workbench.features.device import single_threaded_operations
from workbench.features.map_source import MapSource
from workbench.learning.checkpoints import to_bytes
from workbench.learning.proposals.scenes import HELD_OUT, write_scenes
from workbench.learning.proposals.task import FIRST, SHOWN, ProposalsTask, SceneMaps
from workbench.learning.trainer import Report, TrainingSettings, no_report, train_epochs
from workbench.learning.workspace import Workspace

__all__ = ["FIRST", "SHOWN", "ProposalSettings", "train_proposals"]

HELD_OUT_SHARE = 0.1  # held-out scenes per training scene


@dataclass(frozen=True)
class ProposalSettings(TrainingSettings):
    """Settings of proposal training: a number of ``scenes``, by AdamW, ``batch`` scenes a step.

    The ``rate`` rises over the first tenth of the ``epochs`` and then falls to zero. ``width`` is the number
    of channels of the neck, ``hidden`` that of the head's two layers.
    """

    MINIMA: ClassVar[dict[str, int]] = {"scenes": 1, "epochs": 1, "batch": 1, "width": 1, "hidden": 1}

    scenes: int = 3000
    epochs: int = 5
    batch: int = 8
    rate: float = 1e-3
    width: int = 128
    hidden: int = 256


def train_proposals(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: ProposalSettings | None = None,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
    report_scenes: Callable[[tuple[bytes, ...]], None] = lambda pictures: None,
) -> Path:
    """Train region proposals for a backbone's map; returns the file of ``proposals:20:name``.

    The collection must be ``posters``: scenes are generated with other seeds than its own pictures, which
    stay unseen. The backbone is not changed. ``report_scenes`` is called with the held-out scenes (JPEG) of
    the ``boxes`` of each epoch, before the first epoch. If interrupted, the same call continues from the last
    checkpoint, to the same result. Raises WorkbenchError for another collection, a diverging loss or a full
    disk.
    """
    settings = settings or ProposalSettings()
    workspace = Workspace.of(options.cache, name)
    settings.validate()
    if collection.name != "posters":
        raise WorkbenchError(
            f"{collection.name!r} knows no outlines of objects to generate scenes with; valid: posters"
        )
    with workspace.training_lock():
        folder = workspace.folder
        scene_options = Options(**{**asdict(options), "cache": folder, "distractors": ""})
        source = MapSource.of(Config.parse(f"{backbone}/max/whole"), scene_options)
        held_out_count = max(8, round(HELD_OUT_SHARE * settings.scenes))
        scenes = write_scenes(settings.scenes, options.seed, folder / "scenes", False, progress)
        held_out = write_scenes(held_out_count, options.seed, folder / "held_out", True, progress)
        held_out = sorted(held_out, key=lambda scene: not len(scene.boxes))  # the shown ones contain posters
        pictures = tuple(_small_jpeg(scene.path) for scene in held_out[:SHOWN])
        report_scenes(pictures)
        training, validation = (SceneMaps.extract(source, part, progress) for part in (scenes, held_out))
        about = {
            **source_card(source),
            **{"backbone": backbone, "stride": source.card.stride, "collection": collection.name},
            **asdict(settings),
            **{"held_out": held_out_count, "held_out_series": list(HELD_OUT), "seed": options.seed},
            **{"size": options.size, "precision": source.precision},
        }
        with single_threaded_operations():  # so that the result does not depend on the number of cores
            task = ProposalsTask(
                training,
                validation,
                source.card.stride,
                options.seed,
                epochs=settings.epochs,
                batch=settings.batch,
                rate=settings.rate,
                width=settings.width,
                hidden=settings.hidden,
            )
            epochs = train_epochs(task, workspace.checkpoint, about, progress, report)
        figures = [epoch.as_dict() for epoch in epochs]
        card = {**about, "steps": task.steps, "figures": figures, "command": command}
        state = {key: tensor.half() for key, tensor in task.model.state_dict().items()}
        for number, picture in enumerate(pictures):
            state[f"{PICTURE_PREFIX}{number}"] = torch.frombuffer(bytearray(picture), dtype=torch.uint8)
        return workspace.finish(to_bytes(state, {"proposals": json.dumps(card, ensure_ascii=False)}))


def _small_jpeg(path: Path) -> bytes:
    """A picture as a JPEG of at most 320 pixels."""
    picture = images.load(path, at_least=(640, 640))
    picture.thumbnail((320, 320))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return data.getvalue()
