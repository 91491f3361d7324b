"""Exact explanation of ASMK: split a score over words and over pairs of keypoints."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from workbench.engine.description import DescribedCollection
from workbench.engine.keypoints import Keypoints
from workbench.explain.bag_of_words import heatmap
from workbench.explain.score import Explanation
from workbench.local import asmk
from workbench.local.asmk import Kernel
from workbench.local.asmk_shares import Parts, Shares, keypoint_parts, shares
from workbench.local.features import LocalFeatures
from workbench.local.vocabulary import VisualWords


def query_parts(features: LocalFeatures, words: VisualWords, kernel: Kernel) -> Parts:
    """The parts of the keypoints of a query, each of which belongs to several words."""
    assigned = words.nearest(features, asmk.ASSIGNED)
    return keypoint_parts(features.descriptors, assigned, words.centroids, kernel.binary)


def image_parts(features: LocalFeatures, names: np.ndarray, words: VisualWords, kernel: Kernel) -> Parts:
    """The parts of the keypoints of an image, of words ``names`` [n]."""
    return keypoint_parts(features.descriptors, names[:, None], words.centroids, kernel.binary)


def explain_asmk(
    query: LocalFeatures, image: LocalFeatures, names: np.ndarray, words: VisualWords, kernel: Kernel
) -> Explanation:
    """Explain the score of an image with words ``names`` [n] for a query by their keypoints.

    The regions are the keypoints' patches, in order. ``region_pairs`` lists the pairs that contribute, with
    the word that they share; a pair occurs once for each.
    """
    split = shares(query_parts(query, words, kernel), image_parts(image, names, words, kernel), kernel)
    order = np.argsort(-split.values, kind="stable")
    order = order[split.values[order] != 0]
    pairs = pd.DataFrame(
        {
            "query_region": split.query[order],
            "image_region": split.image[order],
            "contribution": split.values[order],
            "word": split.words[order],
        }
    )
    return Explanation(
        float(split.values.sum()),
        keypoint_heat(query, split, of_query=True),
        keypoint_heat(image, split, of_query=False),
        pairs,
        query.boxes,
        image.boxes,
    )


def asmk_heat(described: DescribedCollection, keypoints: Keypoints) -> Callable[[int, int, bool], np.ndarray]:
    """A function from a row, and that of the other picture, to the heat [H, W] of their score in the first.

    Its third argument: whether the first is the query.
    """
    words, kernel = described.words, Kernel.of(described.config.pooling)
    assert words is not None

    @lru_cache(maxsize=2)  # the pairs of a query follow each other
    def of_query(row: int) -> Parts:
        return query_parts(keypoints.of(row), words, kernel)

    def heat(row: int, other: int, is_query: bool) -> np.ndarray:
        query, image = (row, other) if is_query else (other, row)
        split = shares(
            of_query(query), image_parts(keypoints.of(image), words.of(image), words, kernel), kernel
        )
        return keypoint_heat(keypoints.of(row), split, is_query)

    return heat


def keypoint_heat(features: LocalFeatures, split: Shares, of_query: bool) -> np.ndarray:
    """The heat [H, W] of one picture: what its keypoints add to a score that is split."""
    keypoints = split.query if of_query else split.image
    return heatmap(features, np.bincount(keypoints, split.values, len(features)))
