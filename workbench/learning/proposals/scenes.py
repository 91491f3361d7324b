"""Generated scenes with posters that are in no collection, from other seeds, with the box of each poster."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from workbench.collections.posters.art import MEMBERS, SEED, SERIES, poster
from workbench.collections.posters.camera import camera_effects
from workbench.collections.posters.photos import read_photos
from workbench.collections.posters.scenes import (
    FRAMES,
    Photos,
    Pixels,
    backdrop,
    clutter,
    cover,
    paste,
    random_pose,
)
from workbench.common.files import replace_file
from workbench.common.progress import Progress, silent

HELD_OUT = (4, 9, 14)  # series of posters that no training scene shows
_VIEWS = ("query", "plain", "plain", "far", "far", "tilted", "covered", "cut", "hidden", "anything")
_COUNTS = (0.1, 0.5, 0.3, 0.1)  # probabilities of zero, one, two and three posters in a scene
_LEAST = 0.2  # visible share below which a poster has no box


class Scene(NamedTuple):
    """A picture, and the boxes [n, 4] of its posters as shares of its width and height."""

    path: Path
    boxes: np.ndarray


class Posters(Sequence[Pixels]):
    """Posters of these numbers as RGBA pixels, each rendered when it is first used."""

    def __init__(self, photos: Photos, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._render = cache(lambda number: np.asarray(poster(photos, number).convert("RGBA")))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        return self._render(self._numbers[row])


def write_scenes(
    count: int, seed: int, folder: Path, held_out: bool = False, progress: Progress = silent
) -> list[Scene]:
    """Write ``count`` scenes as files of a folder, with their boxes; existing files are kept.

    They show the posters of all series except three, or with ``held_out`` of those three only. Equal seeds
    give equal scenes. Raises WorkbenchError if the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photos = read_photos()
    numbers = [n for n in range(len(SERIES) * MEMBERS) if (n // MEMBERS in HELD_OUT) == held_out]
    posters = Posters(photos, numbers)

    def scene_of(number: int) -> Scene:
        path = folder / f"{number:06}.jpg"
        truth = path.with_suffix(".json")
        if not (path.exists() and truth.exists()):  # the boxes are written last
            rng = np.random.default_rng([SEED, 7 + held_out, seed, number])
            pixels, boxes = generate_scene(posters, photos, rng)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "JPEG", quality=int(rng.integers(55, 90)))
            replace_file(path, data.getvalue())
            replace_file(truth, json.dumps(boxes.tolist()).encode())
        return Scene(path, np.array(json.loads(truth.read_bytes()), float).reshape(-1, 4))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(scene_of, number) for number in range(count)]
        try:
            for done, _ in enumerate(as_completed(futures), 1):
                progress("making scenes", done, count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def generate_scene(
    posters: Sequence[Pixels], photos: Photos, rng: np.random.Generator
) -> tuple[Pixels, np.ndarray]:
    """A scene [H, W, 3] with zero to three posters, and their boxes [n, 4] as shares of the picture."""
    frame = FRAMES[rng.integers(len(FRAMES))]
    canvas = backdrop(photos, frame, rng)
    for _ in range(rng.integers(1, 6)):
        paste(canvas, clutter(photos, rng), random_pose("anything", rng))
    count = int(rng.choice(len(_COUNTS), p=_COUNTS))
    for number in rng.choice(len(posters), count, replace=False):
        view = str(rng.choice(_VIEWS if count == 1 else ("far", "anything")))
        paste(canvas, posters[number], random_pose(view, rng), int(number))
        hidden = {"covered": (0.2, 0.38), "hidden": (0.6, 0.85)}.get(view)
        if hidden:
            cover(canvas, float(rng.uniform(*hidden)), photos, rng)
    for _ in range(rng.integers(0, 3)):
        paste(canvas, clutter(photos, rng), random_pose("small", rng))
    visible = [view.corners / frame for view in canvas.views() if view.visible >= _LEAST]
    boxes = [np.concatenate([c.min(0), c.max(0)]).clip(0, 1) for c in visible]
    return camera_effects(canvas.pixels, rng, 0.4), np.array(boxes).reshape(-1, 4)
