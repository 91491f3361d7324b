"""Keypoints where differences of Gaussians are extreme (SIFT), and RootSIFT, which describes them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

MOST = 1000  # keypoints an image, the strongest
CONTRAST = 0.02  # of OpenCV's threshold; half its default, so that dull photos have keypoints too
LEAST_SIDE = 8  # pixels, below which an image is not looked at


def detect(grey: np.ndarray, most: int = MOST) -> np.ndarray:
    """The strongest keypoints of a grey image uint8 [h, w]: float32 [n, 4], the strongest first.

    Each is x, y, size (diameter) in pixels and angle in degrees, clockwise as one looks at the image (Lowe,
    IJCV 2004, sections 3 to 5). One place has several where its gradients have several main directions.
    An image without any, as one of a single colour, gives none.
    """
    return as_array(_detected(grey, most))


def sift(grey: np.ndarray, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [n, 4] as ``detect`` gives them, and their SIFT descriptors uint8 [n, 128]."""
    found = _detected(grey, most)
    if not found:
        return as_array(found), np.zeros((0, 128), np.uint8)
    described, values = _detector().compute(grey, found)
    return as_array(described), np.asarray(values).round().clip(0, 255).astype(np.uint8)


def root(sift: np.ndarray) -> np.ndarray:
    """RootSIFT: SIFT [n, 128] at unit sum, its square root taken: unit vectors float32 [n, 128].

    Euclidean distance then compares the histograms by the Hellinger kernel (Arandjelović and Zisserman,
    CVPR 2012, section 2).
    """
    values = sift.astype(np.float32)
    return np.asarray(np.sqrt(values / np.maximum(values.sum(1, keepdims=True), 1e-12)))


def as_array(found: Any) -> np.ndarray:
    """OpenCV's keypoints as float32 [n, 4]."""
    rows = [(*one.pt, one.size, one.angle) for one in found]
    return np.array(rows, np.float32).reshape(-1, 4)


def _detected(grey: np.ndarray, most: int) -> list[Any]:
    if min(grey.shape) < LEAST_SIDE:
        return []
    found = _detector().detect(grey, None)
    found = sorted(found, key=lambda one: (-one.response, one.pt, one.size, one.angle))
    return found[:most]


def _detector() -> Any:
    create: Any = getattr(cv2, "SIFT_create")  # noqa: B009  # its types do not know it
    # Without ``enable_precise_upscale`` every keypoint lies a quarter of a pixel too far right and down.
    return create(contrastThreshold=CONTRAST, enable_precise_upscale=True)
