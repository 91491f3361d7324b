"""Exact explanation of a bag of words: a score taken apart into keypoints, and pairs of them.

An image's vector is the sum of its keypoints' words, each with its weight. With normalisers held fixed, as
in ``explain``, two keypoints of one word add idf² over both images' lengths to the score, and others nothing,
unless a later step mixes words (``pca``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from workbench.config import Config
from workbench.descriptors.bulk import Described
from workbench.descriptors.describe import Parts, finished, normalised
from workbench.explain import Explanation
from workbench.local.features import Features
from workbench.local.words import Words

CELL = 16  # pixels a cell of a heatmap, of the picture as it was described


def explain_words(
    query: Features, image: Features, words: Words, config: Config, described: Described
) -> Explanation:
    """Explain the inner product of two pictures' bags of words by their keypoints.

    The regions are the keypoints' patches, in order. ``region_pairs`` names those pairs that contribute.
    """
    asked, found = words.named(query), words.named(image)
    parts = [_parts(names, words, (asked, found), config, described) for names in (asked, found)]
    q, d = (part.total[0].sum(0) for part in parts)
    contributions = (parts[0].total[0] @ parts[1].total[0].T).numpy()
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
        float(q @ d),
        heatmap(query, parts[0].total[0] @ d),
        heatmap(image, parts[1].total[0] @ q),
        pairs,
        query.boxes,
        image.boxes,
    )


def shares(
    names: np.ndarray, other: torch.Tensor, words: Words, config: Config, described: Described
) -> np.ndarray:
    """What each keypoint, of the words ``names`` [n], adds to the score with a vector [D]: float32 [n].

    As the sums over the pairs of ``explain_words`` are, without the pairs.
    """
    if not len(names):
        return np.zeros(0, np.float32)
    counts = np.bincount(names, minlength=words.size).astype(np.float32)
    weighted = torch.from_numpy(counts[: len(words.idf)] * words.idf)[None, None].requires_grad_(True)
    with torch.enable_grad():
        parts = finished(normalised(Parts(weighted), together=True), config, described.final)
        (slope,) = torch.autograd.grad((parts.linear[0, 0] * other).sum(), weighted)
    linear = (slope[0, 0].numpy() * words.idf)[names]
    offset = float(parts.offset[0, 0].detach() @ other) if isinstance(parts.offset, torch.Tensor) else 0.0
    return np.asarray(linear + offset / len(names), np.float32)


def heatmap(features: Features, shares: torch.Tensor | np.ndarray) -> np.ndarray:
    """The keypoints' shares [n] summed over cells of 16 pixels, [H, W]."""
    width, height = (max(1, -(-side // CELL)) for side in features.size)
    x, y = (features.points[:, axis] // CELL for axis in (0, 1))
    at = y.clip(0, height - 1).astype(int) * width + x.clip(0, width - 1).astype(int)
    return np.bincount(at, np.asarray(shares, float), height * width).reshape(height, width)


def _parts(
    names: np.ndarray,
    words: Words,
    both: tuple[np.ndarray, np.ndarray],
    config: Config,
    described: Described,
) -> Parts:
    """The keypoints as parts [1, n, D] of their picture's vector; D are only the words that matter."""
    columns = np.arange(words.size)
    if not config.whitenings:
        columns = np.unique(np.concatenate(both)) if len(both[0]) + len(both[1]) else columns[:1]
    linear = torch.zeros(1, len(names), len(columns))
    at = np.searchsorted(columns, names)
    if len(names):
        linear[0, np.arange(len(names)), at] = torch.from_numpy(words.idf[names])
    with torch.no_grad():
        return finished(normalised(Parts(linear), together=True), config, described.final)
