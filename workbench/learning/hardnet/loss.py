"""The loss on the hardest negatives of a batch of pairs, and the false positives at a recall."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

MARGIN = 1.0
DUPLICATE = 0.008  # distance below which two patches are taken as the same and are no negatives
_FAR = 10.0  # more than the distance of any two unit vectors


class Hardest(NamedTuple):
    """The distance ``matching`` [n] of each of n pairs, and its nearest negatives.

    ``by_row`` [n] is the positive nearest to the anchor, ``by_column`` [n] the anchor nearest to the
    positive, ``distance`` [n] that of the nearer of the two, and ``from_row`` [n] whether it is the positive.
    """

    matching: torch.Tensor
    by_row: torch.Tensor
    by_column: torch.Tensor
    distance: torch.Tensor
    from_row: torch.Tensor


def distance_matrix(anchors: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Euclidean distances [n, n] of unit vectors [n, D], at least 0.001 so that the gradient is finite."""
    return (2 - 2 * anchors @ positives.T).clamp(min=1e-6).sqrt()


def hardest(anchors: torch.Tensor, positives: torch.Tensor, overlap: torch.Tensor | None = None) -> Hardest:
    """The hardest negatives in a batch of unit vectors [n, D] (section 3.1 and figure 1 of the paper).

    Pairs nearer than 0.008 are taken as the same patch; those and the pairs that ``overlap`` [n, n] are no
    negatives.
    """
    distances = distance_matrix(anchors, positives)
    excluded = torch.eye(len(anchors), dtype=torch.bool) | (distances < DUPLICATE)
    if overlap is not None:
        excluded = excluded | overlap
    negatives = distances + _FAR * excluded
    rows, columns = negatives.min(1), negatives.min(0)
    from_row = rows.values <= columns.values
    nearest = torch.minimum(rows.values, columns.values)
    return Hardest(distances.diagonal(), rows.indices, columns.indices, nearest, from_row)


def loss(anchors: torch.Tensor, positives: torch.Tensor, overlap: torch.Tensor | None = None) -> torch.Tensor:
    """The mean over pairs of max(0, 1 + d(match) - d(hardest negative)) (equation 1 of the paper)."""
    mined = hardest(anchors, positives, overlap)
    return (MARGIN + mined.matching - mined.distance).clamp(min=0).mean()


def false_positives(matching: np.ndarray, mismatching: np.ndarray, recall: float = 0.95) -> float:
    """The share of mismatches, 0…1, whose distance is at most the ``recall`` quantile of the matches (FPR95).

    It is nan if a distance is nan, which would otherwise count as no false positive.
    """
    if np.isnan(matching).any() or np.isnan(mismatching).any():
        return math.nan
    threshold = np.sort(matching)[math.ceil(recall * len(matching)) - 1]
    return float(np.mean(mismatching <= threshold))
