"""A batch of patches with its hardest negatives, made in milliseconds."""

from __future__ import annotations

import numpy as np

from workbench.learning.hardnet.batches import Batch
from workbench.learning.hardnet.inspection import MinedBatch


def mined_batch(photo: str = "a.jpg", network: str = "hardnet", collection: str = "photos") -> MinedBatch:
    """Three pairs of flat patches; the anchor of pair n is 10 n grey, its positive 10 n + 5.

    The nearest positive of each anchor is the next pair's, its nearest anchor the one before; pairs take the
    positive, the anchor and the positive.
    """
    grey = np.arange(3, dtype=np.uint8)[:, None, None] * np.full((32, 32), 10, np.uint8)
    pairs = Batch(grey, grey + np.uint8(5), np.zeros((3, 3), bool), np.arange(3))
    matching, by_row, by_column = np.array([0.2, 0.4, 0.6]), np.array([1, 2, 0]), np.array([2, 0, 1])
    row, column = np.array([0.5, 1.5, 0.25]), np.array([1.0, 1.25, 0.75])
    taken = row < column
    loss = 1 + matching - np.minimum(row, column)
    names = (photo, photo, photo)
    return MinedBatch(
        pairs, names, matching, by_row, by_column, row, column, taken, loss, network, 4, collection
    )
