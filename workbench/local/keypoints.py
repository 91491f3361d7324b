"""Keypoints at extrema of differences of Gaussians (SIFT), and their RootSIFT descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.common.lazy import lazy_module

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

MOST = 1000  # keypoints per image, the strongest
CONTRAST = 0.02  # OpenCV's contrast threshold; half its default, so that low-contrast photos have keypoints
MIN_SIDE = 8  # pixels; smaller images have no keypoints


def detect(grey: np.ndarray, most: int = MOST) -> np.ndarray:
    """Detect the strongest keypoints of a grey image uint8 [h, w]: float32 [n, 4], strongest first.

    Each is x, y, size (diameter) in pixels and angle in degrees, clockwise as seen in the image (Lowe, IJCV
    2004, sections 3 to 5). A position has several keypoints if its gradients have several main directions.
    An image without structure, such as one of a single colour, has none.
    """
    return as_array(_detected(grey, most))


def sift(grey: np.ndarray, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints [n, 4] as ``detect`` does, and their SIFT descriptors uint8 [n, 128]."""
    keypoints = _detected(grey, most)
    if not keypoints:
        return as_array(keypoints), np.zeros((0, 128), np.uint8)
    points, values = _detector().compute(grey, keypoints)
    return as_array(points), np.asarray(values).round().clip(0, 255).astype(np.uint8)


def root(sift: np.ndarray) -> np.ndarray:
    """RootSIFT: square roots of SIFT [n, 128] scaled to unit sum; unit vectors float32 [n, 128].

    Euclidean distance then compares the histograms by the Hellinger kernel (Arandjelović and Zisserman,
    CVPR 2012, section 2).
    """
    values = sift.astype(np.float32)
    return np.asarray(np.sqrt(values / np.maximum(values.sum(1, keepdims=True), 1e-12)))


def as_array(keypoints: Any) -> np.ndarray:
    """Convert OpenCV's keypoints to float32 [n, 4]."""
    rows = [(*point.pt, point.size, point.angle) for point in keypoints]
    return np.array(rows, np.float32).reshape(-1, 4)


def _detected(grey: np.ndarray, most: int) -> list[Any]:
    if min(grey.shape) < MIN_SIDE:
        return []
    points = _detector().detect(grey, None)
    points = sorted(points, key=lambda point: (-point.response, point.pt, point.size, point.angle))
    return points[:most]


def _detector() -> Any:
    create: Any = getattr(cv2, "SIFT_create")  # noqa: B009  # missing from OpenCV's type stubs
    # Without ``enable_precise_upscale`` every keypoint is shifted by a quarter pixel to the right and down.
    return create(contrastThreshold=CONTRAST, enable_precise_upscale=True)
