"""What describes a picture by keypoints: SIFT, HardNet at SIFT's keypoints, or a network that does both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError
from workbench.config.steps import LEARNED
from workbench.local import hardnet, keypoints, learned_keypoints, learned_weights
from workbench.local.patches import cut_patches

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

# From an RGB picture uint8 [h, w, 3] to keypoints float32 [n, 4] and descriptors as stored [n, D].
Describe = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def weight_path(name: str, cache: Path) -> Path | None:
    """The weight file of local features; None for SIFT. Raises WorkbenchError if it is missing."""
    return learned_weights.weight_path(name) if name in LEARNED else hardnet.weight_path(name, cache)


def dimensions(name: str) -> int:
    """The dimensions D of a descriptor."""
    return learned_keypoints.DIMENSIONS.get(name, hardnet.DIMENSIONS)


def describer(name: str, path: Path | None) -> Describe:
    """The function that describes pictures by the weights of a file. Raises WorkbenchError if it is wrong."""
    if name in LEARNED:
        return learned_keypoints.describer(name)
    if path is None:
        return sift
    network = hardnet.load_describer(path)

    def described(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        points = keypoints.detect(grey)
        return points, network(cut_patches(grey, points)).astype(np.float16)

    return described


def sift(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SIFT of an RGB picture uint8 [h, w, 3]: keypoints [n, 4] and descriptors uint8 [n, 128]."""
    return keypoints.sift(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def fingerprint(path: Path | None) -> str:
    """Eight hexadecimal digits that change with the weights, or with OpenCV and the threshold of SIFT."""
    if path is None:
        return hashlib.blake2b(f"{cv2.__version__} {keypoints.CONTRAST}".encode(), digest_size=4).hexdigest()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"HardNet's weights {str(path)!r} cannot be read ({error.strerror})") from None
    return hashlib.blake2b(content, digest_size=4).hexdigest()
