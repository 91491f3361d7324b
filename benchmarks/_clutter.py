"""Photos among clutter as queries: another kind of clutter than the composites that attention is trained on.

A whole photo, seen at an angle, turned, in other light and with a soft edge, lies on 8 to 35 % of a sharp
photo with up to three small photos.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _photos import DATASETS
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

import workbench
from workbench.bench.bench import Bench
from workbench.explain.localisation import Target
from workbench.learning.attention.composites import decode_photos

QUERIES = 300
Targets = dict[Path, list[Target]]  # by picture
Box = tuple[int, int, int, int]
SHARE = (0.08, 0.35)
SMALL = (0.01, 0.06)
MIDDLE = 0.08  # standard deviation of a central target, as a share of each side
AWAY = 0.15  # smallest distance of a target off the centre, as a share of a side


def cluttered(
    folder: Path,
    title: str,
    shown: Sequence[tuple[Path, str]],
    database: Sequence[tuple[Path, str]],
    central: bool,
) -> tuple[Bench, Targets]:
    """Queries among clutter of the photos of ``scenes``, against a database of clean photos."""
    drawn = np.random.default_rng(7).permutation(len(shown))[:QUERIES]
    clutter = decode_photos(sorted((DATASETS / "scenes").glob("*/*.jpg")), 512)
    rows: list[tuple[Any, ...]] = [(*photo, "database") for photo in database]
    targets: Targets = {}
    pictures = folder / title
    pictures.mkdir()
    for number, photo in enumerate(decode_photos([shown[row][0] for row in drawn], 512)):
        path = pictures / f"{number:03}.png"
        rng = np.random.default_rng([7, number, central])
        picture, (x0, y0, x1, y1) = among_clutter(photo, clutter, central, rng)
        picture.save(path)
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        targets[path] = [Target(corners, (0, 0, *picture.size))]
        rows.append((path, shown[drawn[number]][1], "query"))
    table = write_table(folder / f"{title}.csv", rows, ("path", "label", "split"))
    return workbench.open(table), targets


def write_table(
    path: Path, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = ("path", "label")
) -> Path:
    """A collection as a CSV file."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def among_clutter(
    photo: Image.Image, others: Sequence[Image.Image], central: bool, rng: np.random.Generator
) -> tuple[Image.Image, Box]:
    """A photo on one of ``others``, and its box: ``central``, about the middle; else away from it."""
    canvas = others[int(rng.integers(len(others)))].copy()
    for _ in range(int(rng.integers(4))):
        small = others[int(rng.integers(len(others)))]
        size = _size(small, canvas, rng.uniform(*SMALL))
        x, y = (int(rng.integers(0, side - part + 1)) for side, part in zip(canvas.size, size, strict=True))
        canvas.paste(small.resize(size, Image.Resampling.BICUBIC), (x, y))
    size = _size(photo, canvas, float(np.exp(rng.uniform(*np.log(SHARE)))))
    target, mask = _view(photo, size, rng)
    x, y = _start(np.array(canvas.size), np.array(size), central, rng)
    canvas.paste(target, (x, y), mask)
    return canvas, (x, y, x + size[0], y + size[1])


def _start(frame: np.ndarray, size: np.ndarray, central: bool, rng: np.random.Generator) -> tuple[int, int]:
    free = frame - size
    if central:
        start = np.clip(free / 2 + rng.normal(0, MIDDLE, 2) * frame, 0, free)
    else:
        starts = rng.uniform(0, 1, (50, 2)) * free
        away = np.abs((starts - free / 2) / frame).max(1)
        start = starts[np.argmax(away > AWAY) if (away > AWAY).any() else np.argmax(away)]
    return int(start[0]), int(start[1])


def _size(photo: Image.Image, frame: Image.Image, share: float) -> tuple[int, int]:
    factor = (share * frame.width * frame.height / (photo.width * photo.height)) ** 0.5
    factor = min(factor, frame.width / photo.width, frame.height / photo.height)
    return max(8, int(photo.width * factor)), max(8, int(photo.height * factor))


def _view(
    photo: Image.Image, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """The photo at an angle in other light, and its mask: an ellipse or a rectangle with a soft edge."""
    (w, h), margin = size, max(1, min(size) // 16)
    light = ImageEnhance.Brightness(photo.resize(size, Image.Resampling.BICUBIC)).enhance(
        rng.uniform(0.7, 1.2)
    )
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((margin, margin, w - margin, h - margin), 255)
    mask = mask.filter(ImageFilter.GaussianBlur(margin / 2))
    corners = np.array([(0, 0), (0, h), (w, h), (w, 0)]) + rng.uniform(-0.12, 0.12, (4, 2)) * size
    turn = float(rng.uniform(-15, 15))

    def seen(image: Image.Image) -> Image.Image:
        tilted = image.transform(
            size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC
        )
        return tilted.rotate(turn, Image.Resampling.BICUBIC)

    return seen(light), seen(mask)
