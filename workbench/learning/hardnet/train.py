"""Train HardNet on pairs of patches (Mishchuk, Mishkin, Radenović and Matas, NIPS 2017)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features.device import keep_freed_memory
from workbench.learning.checkpoints import to_bytes
from workbench.learning.hardnet.batches import Batch, draw_batch, draw_batches
from workbench.learning.hardnet.loss import false_positives, loss
from workbench.learning.hardnet.multiview import find_partners, group_partners, patches_in_partners
from workbench.learning.hardnet.patch_pairs import MorePatches, Places, collect_places
from workbench.learning.photos import digest, draw_photos
from workbench.learning.trainer import (
    Report,
    Task,
    TrainingSettings,
    no_report,
    train_epochs,
    warmup_then_linear,
)
from workbench.learning.workspace import Workspace
from workbench.local.hardnet import HardNet

MOST_PHOTOS = 4000  # of a large collection, drawn by the seed
DECAY = 1e-4
HELD_OUT = 0.05  # of the photos
HELD_OUT_BATCHES = 8


@dataclass(frozen=True)
class HardNetSettings(TrainingSettings):
    """Settings of HardNet's training by AdamW.

    The ``rate`` rises over the first tenth of the ``steps`` and then falls to zero. A batch has ``each``
    places of ``at_once`` photos; a photo is seen as it is and in ``views`` generated from it. An epoch has
    ``every`` steps. ``width`` is the number of channels of the first layer, 32 as published.
    """

    MINIMA: ClassVar[dict[str, int]] = {
        "width": 1, "steps": 1, "views": 1, "at_once": 2, "each": 2, "every": 1
    }  # fmt: skip

    width: int = 16
    steps: int = 700
    rate: float = 2e-3
    views: int = 4
    at_once: int = 32
    each: int = 16
    every: int = 100


def train_hardnet(
    collection: Collection,
    options: Options,
    name: str,
    settings: HardNetSettings | None = None,
    progress: Progress = notebook_progress,
    report: Report = no_report,
    command: str = "",
    real: bool = False,
) -> Path:
    """Train HardNet on any photos; returns the file of the backbone ``hardnet:name``.

    ``real``: take patches from other photos of the same object, too (see ``multiview``); then no two photos
    of an object are in a batch. If interrupted, the same call continues from the last checkpoint. Raises
    WorkbenchError if there are too few photos or keypoints, the loss diverges, or the disk is full.
    """
    settings = settings or HardNetSettings()
    workspace = Workspace.of(options.cache, name)
    settings.validate()
    photos, unreadable = _readable_photos(collection, options.seed, progress)
    if not photos:
        raise WorkbenchError(f"{collection.name!r} has no photo that can be read")
    with workspace.training_lock():
        paths = [collection.path(photo) for photo in photos]
        partners = _require_partners(collection, photos) if real else {}
        fingerprints = [images.header(path).fingerprint for path in paths]
        key = digest(fingerprints, [settings.views, options.size, options.seed, *(["real"] if real else [])])

        def more_patches(row: int) -> MorePatches:
            rng = np.random.default_rng([options.seed, 5, row])
            return patches_in_partners(collection, photos[row], partners[photos[row]], options.size, rng)

        places = collect_places(
            paths,
            settings.views,
            options.size,
            options.seed,
            options.cache / "places" / key,
            progress,
            more_patches if real else None,
        )
        about = {
            **asdict(settings),
            **{"collection": collection.name, "photos": len(photos), "unreadable": unreadable},
            **{"places": len(places.photo), "patches": len(places.patches), "seed": options.seed},
            **{"size": options.size, "threads": torch.get_num_threads(), "digest": key},
            **({"real": True} if real else {}),
        }
        task = HardNetTask(places, group_partners(photos, partners), settings, options.seed)
        epochs = train_epochs(task, workspace.checkpoint, about, progress, report)
        card = {**about, "figures": [epoch.as_dict() for epoch in epochs], "command": command}
        state = {n: t.half() if t.is_floating_point() else t for n, t in task.model.state_dict().items()}
        return workspace.finish(to_bytes(state, {"card": json.dumps(card, ensure_ascii=False)}))


class HardNetTask(Task):
    """HardNet as a task of the trainer: the loss on hardest negatives, false positives on held-out photos."""

    def __init__(self, places: Places, group: np.ndarray, settings: HardNetSettings, seed: int) -> None:
        self.places, self.settings, self.seed = places, settings, seed
        self.training, held_out = _hold_out(places, group, settings, seed)
        first_photos = [photos[0] for photos in held_out]
        self.held_out = draw_batches(
            places, first_photos, (seed, 2), HELD_OUT_BATCHES, settings.at_once, settings.each
        )
        if all((pairs.overlap | np.eye(len(pairs.overlap), dtype=bool)).all() for pairs in self.held_out):
            raise WorkbenchError(
                "all places of the photos held out overlap: take more photos, with more detail"
            )
        keep_freed_memory()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = initial_network(settings.width)
        adam = torch.optim.AdamW(self.network.parameters(), settings.rate, weight_decay=DECAY)
        super().__init__(self.network, adam, -(-settings.steps // settings.every))

    def batches(self, epoch: int) -> range:
        """The numbers of the epoch's steps, by which ``loss`` draws its batch."""
        first = (epoch - 1) * self.settings.every
        return range(first, min(first + self.settings.every, self.settings.steps))

    def position(self, epoch: int, batch: int, batches: int) -> tuple[int, int]:
        return (epoch - 1) * self.settings.every + batch, self.settings.steps

    def rate_factor(self, epoch: int, step: int, steps: int) -> float:
        return warmup_then_linear(step, steps)

    def loss(self, batch: int) -> torch.Tensor:
        photo_rng = np.random.default_rng([self.seed, 6, batch])
        photos = [group[int(photo_rng.integers(len(group)))] for group in self.training]
        rng = np.random.default_rng([self.seed, 3, batch])
        pairs = draw_batch(self.places, photos, rng, self.settings.at_once, self.settings.each)
        self.network.train()
        return loss(*describe_pairs(self.network, pairs), torch.from_numpy(pairs.overlap))

    def mean_loss(self, losses: Sequence[float], batches: Sequence[int]) -> float:
        return float(np.mean(losses))

    def validate(self, progress: Progress) -> dict[str, Any]:
        """The share of mismatches, 0…1, that are nearer than the 95 % nearest matches: smaller is better."""
        matching, mismatching = [], []
        with torch.no_grad():
            for pairs in self.held_out:
                anchors, positives = describe_pairs(self.network.eval(), pairs)
                distances = (2 - 2 * anchors @ positives.T).numpy()
                matching.append(np.diagonal(distances))
                mismatching.append(distances[~pairs.overlap & ~np.eye(len(distances), dtype=bool)])
        share = false_positives(np.concatenate(matching), np.concatenate(mismatching))
        return {"false_positives": share}


def initial_network(width: int) -> HardNet:
    """A network with orthogonal weights, as published, drawn from torch's global generator."""
    model = HardNet(width)
    for layer in model.features:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.orthogonal_(layer.weight, 0.6)
    return model.to(memory_format=torch.channels_last)


def describe_pairs(model: HardNet, pairs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of both patches of each pair, [n, 128] each."""
    patches = torch.from_numpy(np.concatenate([pairs.anchors, pairs.positives]))
    anchors, positives = model(patches).chunk(2)
    return anchors, positives


def _readable_photos(collection: Collection, seed: int, progress: Progress) -> tuple[list[str], int]:
    """The readable photos to train on, in order, and the number of unreadable ones."""
    drawn = draw_photos(collection, MOST_PHOTOS, seed)
    photos = []
    for done, photo in enumerate(drawn):
        progress("checking photos", done, len(drawn))
        try:
            images.load(collection.path(photo), at_least=(32, 32))
        except WorkbenchError:
            continue
        photos.append(photo)
    return photos, len(drawn) - len(photos)


def _require_partners(collection: Collection, photos: Sequence[str]) -> dict[str, dict[str, str]]:
    """The photos that show the same object. Raises WorkbenchError if there are none."""
    partners = find_partners(collection, photos)
    if not any(partners.values()):
        raise WorkbenchError(
            f"{collection.name!r} has no two photos that are known to show the same object: open it with "
            "labels='folders' (--labels folders) where subfolders are labels, or leave out --real"
        )
    return partners


def _hold_out(
    places: Places, group: np.ndarray, settings: HardNetSettings, seed: int
) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]]]:
    """The places of each photo, by groups [n] of photos of one object: for training, and held out.

    Photos with fewer than ``each`` places are left out. If that leaves no held-out group, the next one of the
    training is held out. Raises WorkbenchError if too few are left.
    """
    numbers = np.unique(group)
    order = np.random.default_rng([seed, 4]).permutation(len(numbers))
    count = max(1, round(HELD_OUT * len(numbers)))

    def usable(rows: np.ndarray) -> list[list[np.ndarray]]:
        groups = (places.of(np.flatnonzero(group == number)) for number in numbers[rows])
        large = ([photo for photo in photos if len(photo) >= settings.each] for photos in groups)
        return [photos for photos in large if photos]

    training, held_out = usable(order[count:]), usable(order[:count])
    if len(training) > 2 and not held_out:
        held_out.append(training.pop(0))
    if len(training) < 2 or not held_out:
        raise WorkbenchError(
            f"{len(training) + len(held_out)} photos have {settings.each} places that are found again in "
            "other views, too few to train on and to validate; take more photos, or photos with more detail"
        )
    return training, held_out
