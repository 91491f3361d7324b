"""The hardest negatives of a batch of pairs, the loss on them, and how descriptors tell patches apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

MARGIN = 1.0
DUPLICATE = 0.008  # distance below which two patches are taken for the same, and are no negatives
_FAR = 10.0  # more than any two unit vectors are apart


class Hardest(NamedTuple):
    """Of n pairs: each one's distance [n], and for each the nearest of the others.

    ``by_row`` [n] is the positive nearest to the anchor, ``by_column`` [n] the anchor nearest to the
    positive, ``distance`` [n] that of the nearer one, and ``from_row`` [n] whether that is the positive.
    """

    matching: torch.Tensor
    by_row: torch.Tensor
    by_column: torch.Tensor
    distance: torch.Tensor
    from_row: torch.Tensor


def hardest(anchors: torch.Tensor, positives: torch.Tensor, overlap: torch.Tensor | None = None) -> Hardest:
    """The hardest negatives in a batch of unit vectors [n, D] (section 3.1 and figure 1 of the paper).

    Pairs nearer than 0.008 are taken for the same patch; they and those that ``overlap`` [n, n] are no
    negatives.
    """
    distances = (2 - 2 * anchors @ positives.T).clamp(min=1e-6).sqrt()
    excluded = torch.eye(len(anchors), dtype=torch.bool) | (distances < DUPLICATE)
    if overlap is not None:
        excluded = excluded | overlap
    others = distances + _FAR * excluded
    rows, columns = others.min(1), others.min(0)
    from_row = rows.values <= columns.values
    nearest = torch.minimum(rows.values, columns.values)
    return Hardest(distances.diagonal(), rows.indices, columns.indices, nearest, from_row)


def loss(anchors: torch.Tensor, positives: torch.Tensor, overlap: torch.Tensor | None = None) -> torch.Tensor:
    """The mean over pairs of max(0, 1 + d(match) - d(hardest negative)) (equation 1 of the paper)."""
    found = hardest(anchors, positives, overlap)
    return (MARGIN + found.matching - found.distance).clamp(min=0).mean()


def false_positives(matching: np.ndarray, mismatching: np.ndarray, recall: float = 0.95) -> float:
    """The share of mismatches at most as far apart as that share of the matches is: FPR95, 0…1.

    It is nan where a distance is: compared, such a one would be no mistake.
    """
    if np.isnan(matching).any() or np.isnan(mismatching).any():
        return math.nan
    threshold = np.sort(matching)[math.ceil(recall * len(matching)) - 1]
    return float(np.mean(mismatching <= threshold))
