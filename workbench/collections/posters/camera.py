"""The picture that a camera takes of a scene: light, blur, noise and colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.common.lazy import lazy_module

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")


def camera_effects(pixels: NDArray[np.uint8], rng: np.random.Generator, hardship: float) -> NDArray[np.uint8]:
    """Apply the effects of a camera: uneven light and its colour, defocus or motion blur, and noise.

    ``hardship`` 0…1 scales how strong the effects of light, blur and noise may be.
    """
    if rng.random() < 0.35:
        length, turn = int(rng.integers(2, 4 + round(7 * hardship))), rng.uniform(0, np.pi)
        kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
        dx, dy = np.cos(turn) * length / 2, np.sin(turn) * length / 2
        start, end = ((round(length + s * dx), round(length + s * dy)) for s in (-1, 1))
        cv2.line(kernel, start, end, 1.0)
        blurred = cv2.filter2D(pixels, -1, kernel / kernel.sum())
    else:
        blurred = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 0.8 + 1.6 * hardship))
    height, width = pixels.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    turn = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0, 0.2 + 0.3 * hardship)
    vignette = rng.uniform(0.05, 0.2)
    across, down = (slope * f(turn) * v - vignette / 2 * v**2 for f, v in ((np.cos, x), (np.sin, y)))
    gain = np.exp(rng.uniform(-0.2 - 0.7 * hardship, 0.2))
    warmth = rng.uniform(-0.06, 0.06) * (1 + hardship)
    colour = np.array([1 + warmth, 1, 1 - warmth], np.float32) * np.float32(gain)
    image = blurred * ((1 + across + down).astype(np.float32)[..., None] * colour)
    if rng.random() < 0.25 * hardship:  # the reflection of a lamp
        centre, radius = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.1, 0.3)
        across, down = (
            np.exp(-((v - c) ** 2) / (2 * radius**2)) for v, c in zip((x, y), centre, strict=True)
        )
        image += np.float32(rng.uniform(50, 120)) * (across * down).astype(np.float32)[..., None]
    grain = rng.standard_normal((height, width), np.float32) * np.float32(rng.uniform(1, 3 + 6 * hardship))
    image += grain[..., None] + np.float32(0.5)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)
