"""Canny's edge detector (Canny, PAMI 1986) by OpenCV, with thresholds from the picture."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTHNESS = 1.4  # standard deviation, pixels, before the gradient


def canny_lines(pixels: np.ndarray) -> np.ndarray:
    """The edges of a picture uint8 [H, W, 3] (RGB): lines one pixel wide, bool [H, W].

    The upper threshold is Otsu's (1979) of the gradient, the lower half of it (Fang, Yue and Yu, 2009).
    """
    smooth = cv2.GaussianBlur(pixels, (0, 0), SMOOTHNESS)
    # In the channel that changes most, so that colours of equal lightness have an edge, too.
    dx, dy = (cv2.Sobel(smooth, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    size = np.abs(dx).astype(np.int32) + np.abs(dy)
    strongest = size.argmax(2)[..., None]
    gradient = np.take_along_axis(size, strongest, 2)[..., 0]
    high, _ = cv2.threshold(gradient.clip(0, 65535).astype(np.uint16), 0, 0, cv2.THRESH_OTSU)
    if not high:
        return np.zeros(gradient.shape, bool)
    dx, dy = (np.take_along_axis(values, strongest, 2)[..., 0] for values in (dx, dy))
    return np.asarray(cv2.Canny(np.ascontiguousarray(dx), np.ascontiguousarray(dy), high / 2, high) > 0)
