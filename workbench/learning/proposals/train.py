"""Training region proposals (Ren et al., NIPS 2015) on the maps of a frozen backbone, for one class."""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from workbench.collections.collection import Collection
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import learned, made_for
from workbench.descriptors.detector import PICTURE, Detector, Target
from workbench.evaluation.boxes import recall
from workbench.features.hardware import hold_memory, one_thread_each
from workbench.features.maps import MapSource, Options, Picture
from workbench.learning import checkpoints
from workbench.learning.proposals import scenes
from workbench.learning.workspace import alone, require_name
from workbench.progress import Progress, silent
from workbench.writing import replace_file

DECAY = 1e-4
FIRST = 20  # proposals, of which the recall is measured
SHOWN, BOXES = 3, 8  # held-out scenes that are kept with the weights, and boxes an epoch proposes in each
_HELD_OUT = 0.1  # as many scenes, of posters of which none is trained on


@dataclass(frozen=True)
class Settings:
    """How proposals are trained: on so many ``scenes``, by AdamW, ``batch`` of them a step.

    Its ``rate`` rises over the first tenth of the ``epochs`` and then falls to nought. ``width`` are the
    channels of the neck, ``hidden`` the numbers of the head's two layers.
    """

    scenes: int = 3000
    epochs: int = 5
    batch: int = 8
    rate: float = 1e-3
    width: int = 128
    hidden: int = 256


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: the mean of Faster R-CNN's losses, added up, and on held-out scenes the share
    of things (0…1) that one of 20 proposals overlaps by half, before and after the head moved them.

    ``boxes``: of the scenes that are shown, the surest proposals, each x0, y0, x1, y1 as shares and its
    objectness. Number 0 is the untrained network, which has no loss.
    """

    number: int
    loss: float | None
    recall: float
    refined: float
    boxes: list[list[list[float]]]


class Seen(NamedTuple):
    """Pictures with boxes as shares, whose maps a source has under ``keys``; ``shapes`` are of the maps."""

    source: MapSource
    keys: list[str]
    boxes: list[np.ndarray]
    shapes: list[tuple[int, int]]

    def maps(self, rows: Sequence[int]) -> torch.Tensor:
        """Maps float32 [B, C, H, W] of rows of one shape."""
        found = torch.empty(0)
        for positions, maps in self.source.batches([self.keys[row] for row in rows], 0):
            found = maps.new_empty((len(rows), *maps.shape[1:])) if not len(found) else found
            found[positions] = maps
        return found.float()


def train(
    collection: Collection,
    options: Options,
    name: str,
    backbone: str = "efficientnet_lite0",
    settings: Settings | None = None,
    progress: Progress = silent,
    report: Callable[[Epoch], None] = lambda epoch: None,
    command: str = "",
    begun: Callable[[tuple[bytes, ...]], None] = lambda pictures: None,
) -> Path:
    """Train region proposals for a backbone's map: the file of ``proposals:20:name``.

    ``begun`` gets the scenes (JPEG) in which each reported epoch's ``boxes`` are, before the first of them.

    On ``posters``, whose own pictures stay unseen: scenes are made anew with other seeds. The backbone stays
    as it is. Broken off at any moment, the same call goes on to the same result. Raises WorkbenchError for
    another collection, which knows no outlines to make scenes of, a diverging loss or a full disk.
    """
    settings = settings or Settings()
    require_name(name)
    if min(settings.scenes, settings.epochs, settings.batch, settings.width, settings.hidden) < 1:
        raise WorkbenchError(f"{settings}: each takes 1 or more")
    if collection.name != "posters":
        raise WorkbenchError(
            f"{collection.name!r} knows no outlines of things to learn from; valid: posters, whose scenes "
            "are made anew"
        )
    place = learned(options.cache, name)
    work = place.with_suffix(".training")
    with alone(work, name):
        theirs = Options(**{**asdict(options), "cache": work, "distractors": ""})
        source = MapSource.of(Config.parse(f"{backbone}/max/whole"), theirs)
        held = max(8, round(_HELD_OUT * settings.scenes))
        made = scenes.write(settings.scenes, options.seed, work / "scenes", False, progress)
        others = scenes.write(held, options.seed, work / "held_out", True, progress)
        others = sorted(others, key=lambda one: not len(one.boxes))  # those shown have something to find
        pictures = tuple(_small(scene.path) for scene in others[:SHOWN])
        begun(pictures)
        training, validation = (_seen(source, some, progress) for some in (made, others))
        about = {
            **made_for(source),
            **{"backbone": backbone, "stride": source.card.stride, "collection": collection.name},
            **asdict(settings),
            **{"held_out": held, "held_out_series": list(scenes.HELD_OUT), "seed": options.seed},
            **{"size": options.size, "precision": source.precision},
        }
        checkpoint = work / "checkpoint.safetensors"
        with one_thread_each():  # so that the result does not depend on the cores; and more only wait here
            model, epochs = descend(training, validation, settings, about, checkpoint, progress, report)
        steps = settings.epochs * len(_batches(training, settings.batch, np.random.default_rng(0)))
        card = {**about, "steps": steps, "figures": [asdict(one) for one in epochs], "command": command}
        state = {key: one.half() for key, one in model.state_dict().items()}
        for number, picture in enumerate(pictures):
            state[f"{PICTURE}{number}"] = torch.frombuffer(bytearray(picture), dtype=torch.uint8)
        text = json.dumps(card, ensure_ascii=False)
        replace_file(place, checkpoints.to_bytes(state, {"proposals": text}))
        shutil.rmtree(work, ignore_errors=True)
    return place


def descend(
    training: Seen,
    validation: Seen,
    settings: Settings,
    about: dict[str, Any],
    checkpoint: Path,
    progress: Progress = silent,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> tuple[Detector, list[Epoch]]:
    """Train a detector on pictures' maps, mirrored or not; resumed from the checkpoint of its last epoch."""
    seed = int(about["seed"])
    hold_memory()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Detector(training.maps([0]).shape[1], int(about["stride"]), settings.width, settings.hidden)
    adam = torch.optim.AdamW(model.parameters(), settings.rate, weight_decay=DECAY)
    said = checkpoints.resume(checkpoint, model, adam, about)
    epochs = [Epoch(**one) for one in said["epochs"]] if said else []
    for one in epochs:
        report(one)
    if not epochs:
        epochs.append(Epoch(0, None, *validated(model, validation, progress)))
        report(epochs[0])
    while len(epochs) <= settings.epochs:
        model.train()
        done = len(epochs) - 1
        rng = np.random.default_rng([seed, 1, done])
        batches = _batches(training, settings.batch, rng)
        total, whole = 0.0, settings.epochs * len(batches)
        for step, rows in enumerate(batches, done * len(batches)):
            progress(f"training proposals, epoch {done + 1} of {settings.epochs}", step, whole)
            for group in adam.param_groups:
                group["lr"] = settings.rate * _share(step, whole)
            maps, targets = _lesson(training, rows, model.stride, rng)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed * 1_000_003 + step)  # torchvision draws boxes to learn from
                value = sum(model.losses(maps, targets).values(), torch.zeros(()))
            adam.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            adam.step()
            total += float(value.detach())
            if not math.isfinite(total):
                raise WorkbenchError(
                    f"training diverged at step {step}: take a smaller rate than {settings.rate:g}; the "
                    "epochs before are kept"
                )
        epochs.append(Epoch(done + 1, total / len(batches), *validated(model, validation, progress)))
        said = {"plan": about, "epochs": [asdict(one) for one in epochs]}
        checkpoints.keep(checkpoint, model.state_dict(), adam, said)
        report(epochs[-1])
    return model.eval(), epochs


def validated(
    model: Detector, seen: Seen, progress: Progress = silent
) -> tuple[float, float, list[list[list[float]]]]:
    """The recall of 20 proposals of each picture, that of the same moved by the head, and boxes to show."""
    model.eval()
    plain, moved, boxes = [], [], []
    for row, (height, width) in enumerate(seen.shapes):
        progress("validating", row, len(seen.keys))
        maps = seen.maps([row])
        found = model.propose(maps)
        first = found.boxes[:FIRST]
        sides = np.array([width, height, width, height], float)
        plain.append(first.numpy() / sides)
        moved.append(model.refine(maps, first).boxes.numpy() / sides)
        if row < SHOWN:
            surest = np.column_stack([plain[-1], found.scores[:FIRST].numpy()])[:BOXES]
            boxes.append(surest.astype(float).round(3).tolist())
    before, after = (float(recall(some, seen.boxes, [FIRST])[0]) for some in (plain, moved))
    return before, after, boxes


def _small(path: Path) -> bytes:
    """A picture as a JPEG of 320 pixels at most."""
    with Image.open(path) as picture:
        picture.thumbnail((320, 320))
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=80)
    return data.getvalue()


def _seen(source: MapSource, made: Sequence[scenes.Boxed], progress: Progress) -> Seen:
    keys, lost = source.extract([Picture(one.path) for one in made], 1, progress)
    if lost:
        raise WorkbenchError(f"a scene cannot be read back: {next(iter(lost.values()))}; run it again")
    shapes: list[tuple[int, int]] = [(0, 0)] * len(made)
    for positions, maps in source.batches(keys[0], 0):
        for position in positions:
            shapes[position] = maps.shape[2], maps.shape[3]
    return Seen(source, keys[0], [one.boxes for one in made], shapes)


def _batches(seen: Seen, size: int, rng: np.random.Generator) -> list[list[int]]:
    """All rows in random order, in batches of maps of one shape; what is left of a shape is a smaller one."""
    by_shape: dict[tuple[int, int], list[int]] = {}
    for row in rng.permutation(len(seen.keys)).tolist():
        by_shape.setdefault(seen.shapes[row], []).append(row)
    batches = [
        rows[start : start + size] for rows in by_shape.values() for start in range(0, len(rows), size)
    ]
    return [batches[n] for n in rng.permutation(len(batches))]


def _lesson(
    seen: Seen, rows: Sequence[int], stride: int, rng: np.random.Generator
) -> tuple[torch.Tensor, list[Target]]:
    """The maps of rows, half of the batches mirrored, with their boxes in pixels."""
    maps, mirrored = seen.maps(rows), rng.random() < 0.5
    height, width = (side * stride for side in maps.shape[2:])
    targets = []
    for row in rows:
        boxes = seen.boxes[row]
        if mirrored:
            boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], 1)
        pixels = torch.from_numpy(boxes * [width, height, width, height]).float()
        targets.append({"boxes": pixels, "labels": torch.ones(len(boxes), dtype=torch.int64)})
    return (maps.flip(3) if mirrored else maps), targets


def _share(step: int, steps: int) -> float:
    """Of the rate: up over the first tenth, then down to nought."""
    warm = max(1, steps // 10)
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm))
