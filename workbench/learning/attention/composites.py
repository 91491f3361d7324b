"""Composites: the centre of a photo among clutter, to learn attention from photos alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from workbench.collections import images
from workbench.common.files import replace_file
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

FEWEST = 4  # photos, for a composite of one among others
SHARE = (0.06, 0.6)  # of the picture's area that the target covers
CENTRE = 0.8  # of each side of the photo that is cut out
MIDDLE = 0.08  # standard deviation of a target about the middle, as a share of each side
PASTED = 5  # further photos at most, each covering SMALL of the area
SMALL = (0.01, 0.06)
BLUR = (0.01, 0.08)  # radius of a blurred background, as a share of the longest side
TURN = 20  # degrees at most
LIGHT = (0.7, 1.3)  # factor of the brightness

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Composite:
    """A picture composed of photos: the row of the shown photo, and its box (x0, y0, x1, y1)."""

    photo: int
    box: Box
    picture: Image.Image


@dataclass(frozen=True)
class WrittenComposite:
    """The file of a composite, the row of the shown photo, and its box in shares of width and height."""

    path: Path
    photo: int
    box: tuple[float, float, float, float]


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
    """Generate ``count`` composites of the photos in turn.

    The target is the centre of a photo, on 6 to 60 % of the area, in other light; half of the targets lie
    about the middle, the others anywhere; half are turned a little and have a soft edge. The background is
    another photo, sharp or blurred, or noise, with up to five small photos. Equal photos and seed give equal
    pictures. Raises WorkbenchError if there are fewer than four photos.
    """
    if len(photos) < FEWEST:
        raise WorkbenchError(f"{len(photos)} photos are too few to make composites of; take {FEWEST} or more")
    for number in range(count):
        rng, shown = np.random.default_rng([seed, number]), number % len(photos)
        background, box = _arrange(photos, shown, rng)
        yield Composite(shown, box, _render(photos, shown, background, box, rng))


def write_composites(
    photos: Sequence[Image.Image], count: int, seed: int, folder: Path, progress: Progress = silent
) -> list[WrittenComposite]:
    """Write composites as files of a folder. Existing files are kept. Raises OSError if the disk is full."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        progress("making composites", number, count)
        rng, shown = np.random.default_rng([seed, number]), number % len(photos)
        path = folder / f"{number:06}.jpg"
        background, box = _arrange(photos, shown, rng)
        if not path.exists():
            data = io.BytesIO()
            _render(photos, shown, background, box, rng).save(data, "JPEG", quality=92)
            replace_file(path, data.getvalue())
        width, height = photos[background].size
        x0, y0, x1, y1 = box
        written.append(WrittenComposite(path, shown, (x0 / width, y0 / height, x1 / width, y1 / height)))
    return written


def _arrange(photos: Sequence[Image.Image], shown: int, rng: np.random.Generator) -> tuple[int, Box]:
    """The row of the photo in the background, whose size the picture has, and the box of the target."""
    background = _other(photos, shown, rng)
    frame, photo = photos[background].size, photos[shown].size
    share = float(np.exp(rng.uniform(*np.log(SHARE))))
    width, height = _fitting_size(photo, share, frame)
    free = frame[0] - width, frame[1] - height
    if rng.random() < 0.5:
        offsets = rng.normal(0, MIDDLE, 2) * np.array(frame)
        x0, y0 = (int(start) for start in np.clip(np.array(free) / 2 + offsets, 0, free))
    else:
        x0, y0 = (int(rng.integers(0, side + 1)) for side in free)
    return background, (x0, y0, x0 + width, y0 + height)


def _render(
    photos: Sequence[Image.Image], shown: int, background: int, box: Box, rng: np.random.Generator
) -> Image.Image:
    canvas = _background(photos[background], rng)
    for _ in range(int(rng.integers(0, PASTED + 1))):
        photo = photos[_other(photos, shown, rng)]
        size = _fitting_size(photo.size, rng.uniform(*SMALL), canvas.size)
        x0, y0 = (int(rng.integers(0, side - part + 1)) for side, part in zip(canvas.size, size, strict=True))
        canvas.paste(photo.resize(size, Image.Resampling.BICUBIC), (x0, y0))
    target, mask = _target(photos[shown], (box[2] - box[0], box[3] - box[1]), rng)
    canvas.paste(target, box[:2], mask)
    return canvas


def _background(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The photo itself, the photo blurred, or noise of its size: from fine noise to patches of colour."""
    kind = rng.integers(3)
    if kind == 0:
        return photo.copy()
    if kind == 1:
        return photo.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR) * max(photo.size)))
    grain = int(rng.integers(1, 33))  # pixels
    cells = [max(1, side // grain) for side in photo.size[::-1]]
    noise = rng.integers(0, 256, (*cells, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize(photo.size, Image.Resampling.BILINEAR)


def _target(
    photo: Image.Image, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """The centre of a photo at a size in other light, and its mask: a rectangle, or turned and soft."""
    left, top = (round(side * (1 - CENTRE) / 2) for side in photo.size)
    centre = photo.crop((left, top, photo.width - left, photo.height - top))
    target = ImageEnhance.Brightness(centre.resize(size, Image.Resampling.BICUBIC)).enhance(
        rng.uniform(*LIGHT)
    )
    if rng.random() < 0.5:
        return target, Image.new("L", size, 255)
    mask = Image.new("L", size, 0)
    draw, margin = ImageDraw.Draw(mask), max(1, min(size) // 16)
    shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
    if min(size) > 2 * margin:
        shape((margin, margin, size[0] - margin, size[1] - margin), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(margin / 2))
    turn = rng.uniform(-TURN, TURN)
    return target.rotate(turn, Image.Resampling.BICUBIC), mask.rotate(turn, Image.Resampling.BICUBIC)


def _other(photos: Sequence[Image.Image], shown: int, rng: np.random.Generator) -> int:
    return (shown + int(rng.integers(1, len(photos)))) % len(photos)


def _fitting_size(photo: tuple[int, int], share: float, frame: tuple[int, int]) -> tuple[int, int]:
    """The size of a photo on a share of the frame's area, or less where its shape does not fit."""
    factor = (share * frame[0] * frame[1] / (photo[0] * photo[1])) ** 0.5
    factor = min(factor, frame[0] / photo[0], frame[1] / photo[1])
    return max(1, int(photo[0] * factor)), max(1, int(photo[1] * factor))
