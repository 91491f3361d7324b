"""The movement of a camera over a scene: a window with the shape of the frame, which pans and zooms."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.collections.posters.scenes import Pixels

FRAME = 320, 240  # pixels, width and height
SCENE = 640, 480


class Window(NamedTuple):
    """The part of a scene that a frame shows: its left and top border, and its width, in scene pixels."""

    x: float
    y: float
    width: float

    @property
    def scale(self) -> float:
        """Pixels of the scene for each pixel of the frame."""
        return self.width / FRAME[0]


def path(move: str, target: tuple[float, float], frames: int, rng: np.random.Generator) -> list[Window]:
    """The windows of ``frames`` frames; a zoom goes to or from ``target``, a point of the scene."""
    wide, narrow = rng.uniform(0.86, 0.97), rng.uniform(0.52, 0.66)
    side, lift = rng.choice([-1.0, 1.0]), rng.uniform(-0.05, 0.05)
    centre = SCENE[0] / 2, SCENE[1] / 2
    if move == "pan":
        reach = rng.uniform(0.75, 1.0) * (1 - narrow) / 2
        ends = [
            (SCENE[0] * (0.5 + sign * side * reach), SCENE[1] * (0.5 + sign * lift), narrow)
            for sign in (-1, 1)
        ]
    elif move == "still":  # a hand that holds the camera drifts a little
        ends = [(centre[0], centre[1], wide), (centre[0] + 12 * side, centre[1] + 120 * lift, wide - 0.02)]
    else:
        ends = [(*centre, wide), (*target, narrow)]
        ends = ends if move == "zoom in" else ends[::-1]
    shares = np.linspace(0, 1, frames)[:, None]
    states = (1 - shares) * np.array(ends[0]) + shares * np.array(ends[1])
    return [_inside(*state) for state in states]


def picture(scene: Pixels, window: Window) -> Pixels:
    """What the camera sees [h, w, 3]."""
    # The origin of OpenCV is the centre of a pixel, that of the scene its corner.
    shift = 0.5 * window.scale - 0.5
    matrix = np.array([[window.scale, 0, window.x + shift], [0, window.scale, window.y + shift]])
    seen = cv2.warpAffine(
        scene,
        matrix,
        FRAME,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(seen, np.uint8)


def seen_area(summed: NDArray[np.float64], window: Window) -> float:
    """The sum of a mask inside a window, in scene pixels, from its summed-area table [H + 1, W + 1].

    Between whole pixels the table is interpolated, which is exact for a mask of pixels (Crow 1984).
    """
    right, bottom = window.x + window.width, window.y + window.width * FRAME[1] / FRAME[0]
    return (
        _at(summed, right, bottom)
        - _at(summed, window.x, bottom)
        - _at(summed, right, window.y)
        + _at(summed, window.x, window.y)
    )


def _at(summed: NDArray[np.float64], x: float, y: float) -> float:
    column = min(max(int(x), 0), summed.shape[1] - 2)
    row = min(max(int(y), 0), summed.shape[0] - 2)
    across, down = x - column, y - row
    (a, b), (c, d) = summed[row : row + 2, column : column + 2]
    return float((1 - down) * ((1 - across) * a + across * b) + down * ((1 - across) * c + across * d))


def _inside(x: float, y: float, share: float) -> Window:
    """The window around a centre, moved into the scene."""
    width, height = share * SCENE[0], share * SCENE[1]
    left = min(max(x - width / 2, 0.0), SCENE[0] - width)
    top = min(max(y - height / 2, 0.0), SCENE[1] - height)
    return Window(float(left), float(top), float(width))
