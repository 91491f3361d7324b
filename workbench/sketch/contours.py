"""Pictures of contours in one form, whether drawn by hand or detected: thin bright lines on black.

Lines of one width make a drawing and an edge map alike, whichever pen or operator made them: wide and soft
edges of HED, described as they are, give worse rankings (docs/queries.md, Sketches).
"""

from __future__ import annotations

import cv2
import numpy as np

from workbench.common.lazy import lazy_module

filters = lazy_module("skimage.filters")

VERSION = 1  # increased when the same edges give other pictures
LONGEST = 320  # pixels of the longest side of a contour picture
STROKE = 3  # pixels, the width of a line
SMOOTHNESS = 0.7  # standard deviation, pixels, of a line's soft borders
LOW, HIGH = 0.25, 0.5  # of the probability of an edge: a line is followed down to LOW from a point above HIGH


def thin_edges(probability: np.ndarray) -> np.ndarray:
    """The lines of an edge map, bool [H, W]: its ridges, followed by hysteresis (Canny, PAMI 1986).

    ``probability`` is float32 [H, W], 0…1. A pixel is on a ridge if it is not below its two neighbours
    across the edge, whose direction is that of the strongest curvature.
    """
    smooth = cv2.GaussianBlur(probability, (0, 0), 2)
    xx, xy, yy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=5) for order in ((2, 0), (1, 1), (0, 2)))
    # The axis of the eigenvector of the smaller (most negative) eigenvalue of the Hessian.
    across = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    height, width = probability.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    dx, dy = np.cos(across).astype(np.float32), np.sin(across).astype(np.float32)
    values = cv2.GaussianBlur(probability, (0, 0), 1)
    ridge = np.ones(probability.shape, bool)
    for side in (-1, 1):
        beside = cv2.remap(
            values, x + side * dx, y + side * dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        ridge &= values >= beside
    return np.asarray(filters.apply_hysteresis_threshold(np.where(ridge, probability, 0), LOW, HIGH))


def contour_picture(lines: np.ndarray) -> np.ndarray:
    """Lines bool [H, W], one pixel wide, as a picture uint8 [H, W]: bright on black, of the usual width."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE, STROKE))
    return np.asarray(cv2.GaussianBlur(255 * cv2.dilate(lines.astype(np.uint8), disc), (0, 0), SMOOTHNESS))
