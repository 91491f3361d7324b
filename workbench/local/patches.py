"""Patches: what lies around keypoints, turned upright and brought to one size."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 32  # pixels of a patch
EXTENT = 8.0  # times the keypoint's size, that a patch shows
_MOST = 1000  # patches cut at a time: OpenCV takes no more than 32,767 rows


def cut(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Patches uint8 [n, 32, 32] of a grey image uint8 [h, w] at keypoints [n, 4] (x, y, size, angle).

    Large ones are read from a smoothed and halved image, so that none is undersampled; beyond the border
    its pixels repeat.
    """
    out = np.empty((len(points), SIDE, SIDE), np.uint8)
    if not len(points):
        return out
    x, y, size, angle = points.astype(np.float64).T
    step = EXTENT * size / SIDE  # pixels of the image a pixel of the patch
    level = np.clip(np.round(np.log2(np.maximum(step, 1e-6))), 0, _levels(grey)).astype(int)
    across, down = np.meshgrid(*[np.arange(SIDE) - (SIDE - 1) / 2] * 2)
    halved = grey
    for number in range(level.max() + 1):
        if number:
            halved = cv2.pyrDown(halved)
        rows = np.flatnonzero(level == number)
        for some in np.array_split(rows, -(-len(rows) // _MOST)) if len(rows) else ():
            turn, scale = np.deg2rad(angle[some]), step[some]
            cosine, sine = ((scale * f(turn))[:, None, None] for f in (np.cos, np.sin))
            shrink = 2.0**number
            at_x = (x[some][:, None, None] + cosine * across - sine * down) / shrink
            at_y = (y[some][:, None, None] + sine * across + cosine * down) / shrink
            seen = cv2.remap(
                halved,
                at_x.reshape(-1, SIDE).astype(np.float32),
                at_y.reshape(-1, SIDE).astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            out[some] = seen.reshape(-1, SIDE, SIDE)
    return out


def _levels(grey: np.ndarray) -> int:
    """How often an image can be halved with something left."""
    return max(0, int(np.log2(max(1, min(grey.shape)))) - 2)
