"""Training HardNet on places seen several times (Mishchuk, Mishkin, Radenović and Matas, NIPS 2017)."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.config import WorkbenchError
from workbench.descriptors.attention import learned
from workbench.features.hardware import hold_memory
from workbench.features.maps import Options
from workbench.learning import checkpoints
from workbench.learning.hardnet.loss import false_positives, loss
from workbench.learning.hardnet.multiview import further, groups, partners
from workbench.learning.hardnet.patch_pairs import Batch, Further, Places, batch, batches, collect
from workbench.learning.workspace import alone, require_name
from workbench.local.hardnet import HardNet
from workbench.progress import Progress, silent
from workbench.writing import replace_file

MOST_PHOTOS = 4000  # of a large collection, drawn by the seed
DECAY = 1e-4
HELD_OUT = 0.05  # of the photos
LEAST = {"width": 1, "steps": 1, "views": 1, "at_once": 2, "each": 2, "every": 1}


@dataclass(frozen=True)
class Settings:
    """How HardNet is trained: by AdamW, whose ``rate`` rises over the first tenth of the ``steps`` and then
    falls to nought. A batch has ``each`` places of ``at_once`` photos; a photo is seen as it is and in
    ``views`` made of it. Every ``every`` steps it is validated and kept."""

    width: int = 16
    steps: int = 700
    rate: float = 2e-3
    views: int = 4
    at_once: int = 32
    each: int = 16
    every: int = 100


@dataclass(frozen=True)
class Epoch:
    """What ``every`` steps came to: their mean loss, and of held-out pairs the share of mismatches that
    are nearer than the 95 % nearest matches (0…1, the smaller the better)."""

    number: int
    loss: float
    false_positives: float


def train(
    collection: Collection,
    options: Options,
    name: str,
    settings: Settings | None = None,
    progress: Progress = silent,
    report: Callable[[Epoch], None] = lambda epoch: None,
    command: str = "",
    real: bool = False,
) -> Path:
    """Train HardNet on any photos: the file of the backbone ``hardnet:name``. Labels are not needed.

    ``real``: places are sought in other photos of the same thing besides (see ``other_photos``), and no two
    photos of one thing are in a batch. Broken off at any moment, the same call goes on from the last
    checkpoint. Raises WorkbenchError where photos are too few or show too little, the loss diverges, or the
    disk is full.
    """
    settings = settings or Settings()
    require_name(name)
    for field, least in LEAST.items():
        if getattr(settings, field) < least:
            raise WorkbenchError(f"{field} {getattr(settings, field)}: take {least} or more")
    if not 0 < settings.rate < math.inf:
        raise WorkbenchError(f"rate {settings.rate:g}: take a number above 0")
    photos, lost = _photos(collection, options.seed, progress)
    if not photos:
        raise WorkbenchError(f"{collection.name!r} has no photo that can be read")
    place = learned(options.cache, name)
    work = place.with_suffix(".training")
    with alone(work, name):
        paths = [collection.path(photo) for photo in photos]
        known = _partners(collection, photos) if real else {}
        group = groups(photos, known)
        seen = _digest(paths, settings.views, options.size, options.seed, *(["real"] if real else []))

        def others(row: int) -> Further:
            rng = np.random.default_rng([options.seed, 5, row])
            return further(collection, photos[row], known[photos[row]], options.size, rng)

        found = collect(
            paths,
            settings.views,
            options.size,
            options.seed,
            options.cache / "places" / seen,
            progress,
            others if real else None,
        )
        training, held = _held_out(found, group, settings, options.seed)
        about = {
            **asdict(settings),
            **{"collection": collection.name, "photos": len(photos), "unreadable": len(lost)},
            **{"places": len(found.photo), "patches": len(found.patches), "seed": options.seed},
            **{"size": options.size, "threads": torch.get_num_threads(), "digest": seen},
            **({"real": True} if real else {}),
        }
        model, epochs = descend(
            found, training, held, settings, about, work / "checkpoint.safetensors", progress, report
        )
        card = {**about, "figures": [asdict(epoch) for epoch in epochs], "command": command}
        state = {n: t.half() if t.is_floating_point() else t for n, t in model.state_dict().items()}
        replace_file(place, checkpoints.to_bytes(state, {"card": json.dumps(card, ensure_ascii=False)}))
        shutil.rmtree(work, ignore_errors=True)
    return place


def descend(
    places: Places,
    training: Sequence[Sequence[np.ndarray]],
    held: Sequence[Sequence[np.ndarray]],
    settings: Settings,
    about: dict[str, Any],
    checkpoint: Path,
    progress: Progress = silent,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[HardNet, list[Epoch]]:
    """Train on the places of each photo of each group, ``training``; validate on those ``held`` out.

    Resumes the checkpoint.
    """
    seed = int(about["seed"])
    hold_memory()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = started(settings.width)
    adam = torch.optim.AdamW(model.parameters(), settings.rate, weight_decay=DECAY)
    said = checkpoints.resume(checkpoint, model, adam, about)
    epochs = [Epoch(**one) for one in said["epochs"]] if said else []
    for one in epochs:
        report(one)
    first_of = [photos[0] for photos in held]
    validation = list(batches(places, first_of, (seed, 2), 8, settings.at_once, settings.each))
    if all((pairs.overlap | np.eye(len(pairs.overlap), dtype=bool)).all() for pairs in validation):
        raise WorkbenchError("all places of the photos held out overlap: take more photos, with more detail")
    total = -(-settings.steps // settings.every)
    while len(epochs) < total:
        model.train()
        first = len(epochs) * settings.every
        losses = []
        for step in range(first, min(first + settings.every, settings.steps)):
            progress(f"training HardNet, step {step} of {settings.steps}", step, settings.steps)
            for group in adam.param_groups:
                group["lr"] = settings.rate * _share(step, settings.steps)
            rng = np.random.default_rng([seed, 3, step])
            of_each = np.random.default_rng([seed, 6, step])
            photos = [of[int(of_each.integers(len(of)))] for of in training]
            pairs = batch(places, photos, rng, settings.at_once, settings.each)
            value = loss(*described(model, pairs), torch.from_numpy(pairs.overlap))
            adam.zero_grad()
            value.backward()
            adam.step()
            losses.append(float(value.detach()))
            if not math.isfinite(losses[-1]):
                raise _diverged(step, settings)
        wrong = validated(model, validation)
        if not math.isfinite(wrong):
            raise _diverged(step, settings)
        epochs.append(Epoch(len(epochs) + 1, float(np.mean(losses)), wrong))
        checkpoints.keep(
            checkpoint,
            model.state_dict(),
            adam,
            {"plan": about, "epochs": [asdict(one) for one in epochs]},
        )
        report(epochs[-1])
    return model.eval(), epochs


def started(width: int) -> HardNet:
    """A network to begin with: orthogonal weights, as published, by torch's current random numbers."""
    model = HardNet(width)
    for layer in model.features:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.orthogonal_(layer.weight, 0.6)
    return model.to(memory_format=torch.channels_last)


def described(model: HardNet, pairs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of both sides of a batch, [n, 128] each."""
    both = torch.from_numpy(np.concatenate([pairs.anchors, pairs.positives]))
    anchors, positives = model(both).chunk(2)
    return anchors, positives


def validated(model: HardNet, held: Sequence[Batch]) -> float:
    """The false positives at 95 % recall of held-out batches: each pair against all that do not match."""
    matching, mismatching = [], []
    with torch.no_grad():
        for pairs in held:
            anchors, positives = described(model.eval(), pairs)
            distances = (2 - 2 * anchors @ positives.T).numpy()
            matching.append(np.diagonal(distances))
            mismatching.append(distances[~pairs.overlap & ~np.eye(len(distances), dtype=bool)])
    return false_positives(np.concatenate(matching), np.concatenate(mismatching))


def _diverged(step: int, settings: Settings) -> WorkbenchError:
    return WorkbenchError(
        f"training diverged at step {step}: take a smaller rate than {settings.rate:g}; "
        "the steps before the last checkpoint are kept"
    )


def _share(step: int, steps: int) -> float:
    """Of the rate: up over the first tenth, then down to nought."""
    warm = max(1, steps // 10)
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def _photos(collection: Collection, seed: int, progress: Progress) -> tuple[list[str], dict[str, str]]:
    """The readable photos to train on, in order; of a large collection some, drawn by the seed."""
    photos = [image for image in collection.images if not collection.is_distractor(image)]
    if len(photos) > MOST_PHOTOS:
        drawn = np.random.default_rng(seed).choice(len(photos), MOST_PHOTOS, replace=False)
        photos = [photos[row] for row in sorted(drawn)]
    lost = {}
    for done, photo in enumerate(photos):
        progress("checking photos", done, len(photos))
        try:
            images.load(collection.path(photo), at_least=(32, 32))
        except WorkbenchError as error:
            lost[photo] = str(error)
    return [photo for photo in photos if photo not in lost], lost


def _partners(collection: Collection, photos: Sequence[str]) -> dict[str, dict[str, str]]:
    """Which photos show the same. Raises WorkbenchError where that is known of none."""
    known = partners(collection, photos)
    if not any(known.values()):
        raise WorkbenchError(
            f"{collection.name!r} tells of no two photos that they show the same: open it with "
            "labels='folders' (--labels folders) where subfolders are labels, or leave out --real"
        )
    return known


def _held_out(
    places: Places, group: np.ndarray, settings: Settings, seed: int
) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]]]:
    """The places of the photos to train on and of those held out, by groups [n] of photos of one thing.

    Photos that have too few are left out. Where all that are drawn to be held out have, the next group is.
    """
    numbers = np.unique(group)
    order = np.random.default_rng([seed, 4]).permutation(len(numbers))
    held = max(1, round(HELD_OUT * len(numbers)))

    def enough(some: np.ndarray) -> list[list[np.ndarray]]:
        of = (places.of(np.flatnonzero(group == number)) for number in numbers[some])
        usable = ([rows for rows in photos if len(rows) >= settings.each] for photos in of)
        return [photos for photos in usable if photos]

    training, out = enough(order[held:]), enough(order[:held])
    if len(training) > 2 and not out:
        out.append(training.pop(0))
    if len(training) < 2 or not out:
        raise WorkbenchError(
            f"{len(training) + len(out)} photos have {settings.each} places that are found again in "
            "other views, too few to train on and to validate; take more photos, or photos with more detail"
        )
    return training, out


def _digest(paths: Sequence[Path], *more: object) -> str:
    known = [images.header(path).fingerprint for path in paths]
    return hashlib.blake2b(json.dumps([known, more]).encode(), digest_size=6).hexdigest()
