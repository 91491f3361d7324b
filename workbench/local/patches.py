"""Patches: the surroundings of keypoints, rotated upright and resampled to one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.common.lazy import lazy_module

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

SIDE = 32  # pixels of a patch
EXTENT = 8.0  # side of a patch, in multiples of the keypoint's size
_MOST = 1000  # patches cut at a time: OpenCV accepts at most 32,767 rows


def cut_patches(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Cut patches uint8 [n, 32, 32] of a grey image uint8 [h, w] at keypoints [n, 4] (x, y, size, angle).

    Large patches are read from a smoothed and downsampled image, to avoid aliasing; pixels at the border
    are repeated beyond it.
    """
    patches = np.empty((len(points), SIDE, SIDE), np.uint8)
    if not len(points):
        return patches
    x, y, size, angle = points.astype(np.float64).T
    step = EXTENT * size / SIDE  # pixels of the image per pixel of the patch
    level = np.clip(np.round(np.log2(np.maximum(step, 1e-6))), 0, _levels(grey)).astype(int)
    across, down = np.meshgrid(*[np.arange(SIDE) - (SIDE - 1) / 2] * 2)
    downsampled = grey
    for octave in range(level.max() + 1):
        if octave:
            downsampled = cv2.pyrDown(downsampled)
        rows = np.flatnonzero(level == octave)
        for batch in np.array_split(rows, -(-len(rows) // _MOST)) if len(rows) else ():
            radians, scale = np.deg2rad(angle[batch]), step[batch]
            cosine, sine = ((scale * f(radians))[:, None, None] for f in (np.cos, np.sin))
            shrink = 2.0**octave
            at_x = (x[batch][:, None, None] + cosine * across - sine * down) / shrink
            at_y = (y[batch][:, None, None] + sine * across + cosine * down) / shrink
            pixels = cv2.remap(
                downsampled,
                at_x.reshape(-1, SIDE).astype(np.float32),
                at_y.reshape(-1, SIDE).astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            patches[batch] = pixels.reshape(-1, SIDE, SIDE)
    return patches


def _levels(grey: np.ndarray) -> int:
    """Return how many times an image can be halved and still have pixels."""
    return max(0, int(np.log2(max(1, min(grey.shape)))) - 2)
