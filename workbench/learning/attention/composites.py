"""Composites: the centre of a photo pasted onto clutter, to learn attention from photos alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from workbench.collections import images
from workbench.common.files import replace_file
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

FEWEST = 4  # photos, for a composite of one among others
SHARE = (0.12, 0.5)  # of the picture's area that the photo covers
CENTRE = 0.8  # of each side of the photo that is cut out
PASTED = 4  # further photos at most, each covering SMALL of the area
SMALL = (0.01, 0.06)


@dataclass(frozen=True)
class Composite:
    """A picture composed of photos: the row of the shown photo, and its box (x0, y0, x1, y1)."""

    photo: int
    box: tuple[int, int, int, int]
    picture: Image.Image


def decode_photos(paths: Sequence[Path], side: int, progress: Progress = silent) -> list[Image.Image]:
    """Photos as RGB, at most ``side`` pixels long. Raises WorkbenchError that names an unreadable one."""
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
    """Generate ``count`` composites of the photos in turn, each on a blurred other photo or on noise.

    Up to four small photos lie around it, or under it. Equal photos and seed give equal pictures. Raises
    WorkbenchError if there are fewer than four photos.
    """
    if len(photos) < FEWEST:
        raise WorkbenchError(f"{len(photos)} photos are too few to make composites of; take {FEWEST} or more")
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        yield _composite(photos, number % len(photos), rng)


def write_composites(
    photos: Sequence[Image.Image], count: int, seed: int, folder: Path, progress: Progress = silent
) -> list[tuple[Path, int]]:
    """Write composites as files of a folder; returns each path with the row of the photo that it shows.

    Existing files are kept. Raises WorkbenchError if the disk is full.
    """
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        progress("making composites", number, count)
        path = folder / f"{number:06}.jpg"
        photo = number % len(photos)
        if not path.exists():
            composite = _composite(photos, photo, np.random.default_rng([seed, number]))
            data = io.BytesIO()
            composite.picture.save(data, "JPEG", quality=92)
            replace_file(path, data.getvalue())
        written.append((path, photo))
    return written


def _composite(photos: Sequence[Image.Image], shown: int, rng: np.random.Generator) -> Composite:
    def other_photo() -> Image.Image:
        return photos[(shown + int(rng.integers(1, len(photos)))) % len(photos)]

    frame = other_photo()
    if rng.random() < 0.5:
        canvas = frame.filter(ImageFilter.GaussianBlur(rng.uniform(0.03, 0.08) * max(frame.size)))
    else:
        grain = rng.integers(1, 33)  # pixels a grain: from fine noise to patches of colour
        cells = [max(1, side // int(grain)) for side in frame.size[::-1]]
        noise = rng.integers(0, 256, (*cells, 3)).astype(np.uint8)
        canvas = Image.fromarray(noise).resize(frame.size, Image.Resampling.BILINEAR)
    for _ in range(int(rng.integers(0, PASTED + 1))):
        _paste(canvas, other_photo(), rng.uniform(*SMALL), rng)
    photo = photos[shown]
    width, height = (side * CENTRE for side in photo.size)
    left, top = (photo.width - width) / 2, (photo.height - height) / 2
    centre = photo.crop((round(left), round(top), round(left + width), round(top + height)))
    return Composite(shown, _paste(canvas, centre, rng.uniform(*SHARE), rng), canvas)


def _paste(
    canvas: Image.Image, photo: Image.Image, share: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Paste a photo at random, on a share of the canvas's area if its shape fits; returns its box."""
    factor = (share * canvas.width * canvas.height / (photo.width * photo.height)) ** 0.5
    factor = min(factor, canvas.width / photo.width, canvas.height / photo.height)
    width, height = (max(1, int(side * factor)) for side in photo.size)
    x0, y0 = int(rng.integers(0, canvas.width - width + 1)), int(rng.integers(0, canvas.height - height + 1))
    canvas.paste(photo.resize((width, height), Image.Resampling.BICUBIC), (x0, y0))
    return x0, y0, x0 + width, y0 + height
