"""Composites: a photo's centre among clutter, so that where to look can be learned from photos alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from workbench.collections import images
from workbench.config import WorkbenchError
from workbench.progress import Progress, silent
from workbench.writing import replace_file

FEWEST = 4  # photos, for a composite of one among others
SHARE = (0.12, 0.5)  # of the picture's area, that the photo takes
CENTRE = 0.8  # of each side of the photo, that is cut out
PASTED = 4  # further photos at most, each of SMALL of the area
SMALL = (0.01, 0.06)


@dataclass(frozen=True)
class Composite:
    """A picture made of photos: the one it shows (its row), and the box (x0, y0, x1, y1) it shows it in."""

    photo: int
    box: tuple[int, int, int, int]
    picture: Image.Image


def decoded(paths: Sequence[Path], side: int, progress: Progress = silent) -> list[Image.Image]:
    """Photos as RGB, none longer than ``side`` pixels. Raises WorkbenchError naming an unreadable one."""
    photos = []
    for done, path in enumerate(paths):
        progress("decoding photos", done, len(paths))
        try:
            header = images.header(path)
            factor = min(1.0, side / max(header.width, header.height))
            size = max(1, round(header.width * factor)), max(1, round(header.height * factor))
            photos.append(images.load(path, at_least=size).resize(size, Image.Resampling.BICUBIC))
        except WorkbenchError as error:
            raise WorkbenchError(f"photo {path.name!r} cannot be used: {error}") from None
    return photos


def composites(photos: Sequence[Image.Image], count: int, seed: int = 0) -> Iterator[Composite]:
    """``count`` composites, each photo in its turn: its centre on another that is blurred, or on noise.

    Up to four small photos lie around it, or under it. The same photos and seed give the same pictures.
    """
    if len(photos) < FEWEST:
        raise WorkbenchError(f"{len(photos)} photos are too few to make composites of; take {FEWEST} or more")
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield _composite(photos, number % len(photos), rng)


def _composite(photos: Sequence[Image.Image], shown: int, rng: np.random.Generator) -> Composite:
    def another() -> Image.Image:
        return photos[(shown + int(rng.integers(1, len(photos)))) % len(photos)]

    frame = another()
    if rng.random() < 0.5:
        canvas = frame.filter(ImageFilter.GaussianBlur(rng.uniform(0.03, 0.08) * max(frame.size)))
    else:
        grain = rng.integers(1, 33)  # pixels a grain: from fine noise to patches of colour
        cells = [max(1, side // int(grain)) for side in frame.size[::-1]]
        noise = rng.integers(0, 256, (*cells, 3)).astype(np.uint8)
        canvas = Image.fromarray(noise).resize(frame.size, Image.Resampling.BILINEAR)
    for _ in range(int(rng.integers(0, PASTED + 1))):
        _paste(canvas, another(), rng.uniform(*SMALL), rng)
    photo = photos[shown]
    width, height = (side * CENTRE for side in photo.size)
    left, top = (photo.width - width) / 2, (photo.height - height) / 2
    centre = photo.crop((round(left), round(top), round(left + width), round(top + height)))
    return Composite(shown, _paste(canvas, centre, rng.uniform(*SHARE), rng), canvas)


def _paste(
    canvas: Image.Image, photo: Image.Image, share: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Paste a photo somewhere, at a share of the canvas's area if its shape allows; the box it takes."""
    factor = (share * canvas.width * canvas.height / (photo.width * photo.height)) ** 0.5
    factor = min(factor, canvas.width / photo.width, canvas.height / photo.height)
    width, height = (max(1, int(side * factor)) for side in photo.size)
    x0, y0 = int(rng.integers(0, canvas.width - width + 1)), int(rng.integers(0, canvas.height - height + 1))
    canvas.paste(photo.resize((width, height), Image.Resampling.BICUBIC), (x0, y0))
    return x0, y0, x0 + width, y0 + height


def write(
    photos: Sequence[Image.Image], count: int, seed: int, folder: Path, progress: Progress = silent
) -> list[tuple[Path, int]]:
    """Composites as files of a folder, and the row of the photo each shows; those already there stay."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        progress("making composites", number, count)
        path = folder / f"{number:06}.jpg"
        shown = number % len(photos)
        if not path.exists():
            one = _composite(photos, shown, np.random.default_rng([seed, number]))
            data = io.BytesIO()
            one.picture.save(data, "JPEG", quality=92)
            replace_file(path, data.getvalue())
        written.append((path, shown))
    return written
