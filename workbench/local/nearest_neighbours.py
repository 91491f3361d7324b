"""Match the keypoints of two pictures whose descriptors are mutually nearest."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from workbench.local.features import LocalFeatures

MAX_RATIO = 0.85  # largest accepted ratio of the distances to the nearest and second nearest descriptor


class Matches(NamedTuple):
    """``pairs`` [m, 2] of rows of two pictures' keypoints, and the distances of their descriptors [m].

    ``ratios`` [m], smaller for better matches, are the distance to the nearest over that to the second
    nearest; if ``scored``, 1 - the score of a network.
    """

    pairs: np.ndarray
    distances: np.ndarray
    ratios: np.ndarray
    scored: bool = False


NO_MATCHES = Matches(np.zeros((0, 2), int), np.zeros(0, np.float32), np.zeros(0, np.float32))
Matcher = Callable[[LocalFeatures, LocalFeatures], Matches]


def nearest(
    query: LocalFeatures, image: LocalFeatures, ratio: float = MAX_RATIO, cosine: float = -1.0
) -> Matches:
    """Match keypoints whose descriptors are mutually nearest (see ``match``)."""
    return match(query.descriptors, image.descriptors, ratio, cosine)


def match(query: np.ndarray, image: np.ndarray, ratio: float = MAX_RATIO, cosine: float = -1.0) -> Matches:
    """Match unit vectors [n, D] with others [k, D].

    A pair is mutually nearest, passes the ratio test of Lowe (2004, section 7.1), and has at least the inner
    product ``cosine``.
    """
    if not len(query) or not len(image):
        return NO_MATCHES
    cosines = (torch.from_numpy(query) @ torch.from_numpy(image).T).numpy()
    nearest_query = cosines.argmax(0)
    nearest_image = cosines.argmax(1)
    rows = np.flatnonzero(nearest_query[nearest_image] == np.arange(len(query)))
    best_cosines = cosines[rows, nearest_image[rows]]
    others = cosines[rows]
    others[np.arange(len(rows)), nearest_image[rows]] = -2
    first, second = (np.sqrt((2 - 2 * c).clip(min=0)) for c in (best_cosines, others.max(1)))
    ratios = first / np.maximum(second, 1e-9)
    kept = (ratios <= ratio) & (best_cosines >= cosine)
    return Matches(np.stack([rows, nearest_image[rows]], 1)[kept], first[kept], ratios[kept])
