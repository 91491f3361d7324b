"""Exact explanation of a bag of words: split a score over keypoints and pairs of keypoints.

An image's vector is the weighted sum of its keypoints' words. With normalisers held fixed, as in ``explain``,
two keypoints of the same word add idf² over both images' lengths to the score, and two of different words add
nothing, unless a later step mixes words (``pca``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from workbench.config.config import Config
from workbench.descriptors.aggregation import Parts, apply_final_steps, normalize_parts
from workbench.descriptors.description import Descriptors
from workbench.explain.score import Explanation
from workbench.local.cells import CellFeatures
from workbench.local.features import LocalFeatures
from workbench.local.vocabulary import VisualWords

CELL = 16  # pixels per cell of a heatmap, at the size at which the picture was described


def explain_words(
    query: LocalFeatures, image: LocalFeatures, words: VisualWords, config: Config, descriptors: Descriptors
) -> Explanation:
    """Explain the inner product of two pictures' bags of words by their keypoints.

    The regions are the keypoints' patches, in order. ``region_pairs`` lists the pairs that contribute.
    """
    names = words.assign(query), words.assign(image)
    query_parts, image_parts = (_keypoint_parts(own, words, names, config, descriptors) for own in names)
    query_vector, image_vector = query_parts.sum(0), image_parts.sum(0)
    contributions = (query_parts @ image_parts.T).numpy()
    rows, columns = np.nonzero(contributions)
    values = contributions[rows, columns]
    order = np.argsort(-values, kind="stable")
    pairs = pd.DataFrame(
        {
            "query_region": rows[order],
            "image_region": columns[order],
            "contribution": values[order].astype(float),
        }
    )
    return Explanation(
        float(query_vector @ image_vector),
        heatmap(query, query_parts @ image_vector),
        heatmap(image, image_parts @ query_vector),
        pairs,
        query.boxes,
        image.boxes,
    )


def keypoint_contributions(
    names: np.ndarray, other: torch.Tensor, words: VisualWords, config: Config, descriptors: Descriptors
) -> np.ndarray:
    """The contribution of each keypoint to the score with a vector [D]: float32 [n].

    ``names`` [n] are the keypoints' words. The result is equal to the sums over the pairs of
    ``explain_words``, without computing the pairs.
    """
    if not len(names):
        return np.zeros(0, np.float32)
    counts = np.bincount(names, minlength=words.size).astype(np.float32)
    weighted = torch.from_numpy(counts[: len(words.idf)] * words.idf)[None, None].requires_grad_(True)
    with torch.enable_grad():
        parts = apply_final_steps(normalize_parts(Parts(weighted), together=True), config, descriptors.final)
        (slope,) = torch.autograd.grad((parts.linear[0, 0] * other).sum(), weighted)
    linear = (slope[0, 0].numpy() * words.idf)[names]
    offset = float(parts.offset[0, 0].detach() @ other) if isinstance(parts.offset, torch.Tensor) else 0.0
    return np.asarray(linear + offset / len(names), np.float32)


def heatmap(features: LocalFeatures, contributions: torch.Tensor | np.ndarray) -> np.ndarray:
    """The contributions of keypoints [n] summed over cells of 16 pixels: [H, W].

    Those of a map's cells are on the cells of the map.
    """
    if isinstance(features, CellFeatures):
        return features.heatmap(contributions)
    width, height = (max(1, -(-side // CELL)) for side in features.size)
    x, y = (features.points[:, axis] // CELL for axis in (0, 1))
    cells = y.clip(0, height - 1).astype(int) * width + x.clip(0, width - 1).astype(int)
    return np.bincount(cells, np.asarray(contributions, float), height * width).reshape(height, width)


def _keypoint_parts(
    names: np.ndarray,
    words: VisualWords,
    both_names: tuple[np.ndarray, np.ndarray],
    config: Config,
    descriptors: Descriptors,
) -> torch.Tensor:
    """The parts [n, D] of a picture's vector by keypoint.

    Without a whitening, D are only the words of the two pictures.
    """
    columns = np.arange(words.size)
    if not config.whitenings:
        has_keypoints = len(both_names[0]) + len(both_names[1]) > 0
        columns = np.unique(np.concatenate(both_names)) if has_keypoints else columns[:1]
    linear = torch.zeros(1, len(names), len(columns))
    positions = np.searchsorted(columns, names)
    if len(names):
        linear[0, np.arange(len(names)), positions] = torch.from_numpy(words.idf[names])
    with torch.no_grad():
        return apply_final_steps(
            normalize_parts(Parts(linear), together=True), config, descriptors.final
        ).total[0]
