"""Matches of two generated pictures, made in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tests.support.pictures import picture
from workbench.collections.named_picture import NamedPicture
from workbench.local.features import LocalFeatures
from workbench.local.matching import Match, match

SIZE = (400, 300)  # of the pictures, pixels
SHIFT = (30.0, 20.0)  # from a keypoint of the query to that of the image, pixels


def shifted_match(inliers: int, others: int = 0, names: Sequence[str] = ("a.jpg", "b.jpg")) -> Match:
    """The match of a query and an image whose keypoints are shifted; ``others`` of them lie elsewhere.

    The descriptors of two matching keypoints are equal.
    """
    rng = np.random.default_rng(0)
    count = inliers + others
    places = rng.uniform(20, 250, (count, 2))
    moved = places + SHIFT
    moved[inliers:] = rng.uniform(20, 250, (others, 2))
    vectors = rng.standard_normal((count, 128))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)

    def features(points: np.ndarray) -> LocalFeatures:
        rows = np.column_stack([points, np.full(count, 8.0), np.full(count, 90.0)])
        return LocalFeatures(rows.astype(np.float32), stored, SIZE)

    pictures = tuple(NamedPicture(name, picture(seed, SIZE)) for seed, name in enumerate(names))
    return replace(match(features(places), features(moved)), pictures=pictures, collection="photos")
