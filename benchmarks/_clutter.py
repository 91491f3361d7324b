"""Photos among clutter as queries: another kind of clutter than the composites that attention is trained on.

A whole photo, seen at an angle, turned, in other light and with a soft edge, lies on 8 to 35 % of a sharp
photo with up to three small photos.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Box = tuple[int, int, int, int]
SHARE = (0.08, 0.35)
SMALL = (0.01, 0.06)
MIDDLE = 0.08  # standard deviation of a central target, as a share of each side
AWAY = 0.15  # smallest distance of a target off the centre, as a share of a side


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
