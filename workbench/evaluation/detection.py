"""Recall of region proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.common.geometry import box_overlaps
from workbench.config.errors import WorkbenchError


def recall(
    proposed: Sequence[np.ndarray], truth: Sequence[np.ndarray], counts: Sequence[int], least: float = 0.5
) -> np.ndarray:
    """Return the share of true boxes overlapped by ``least`` by an image's first n proposals, for each n.

    ``proposed`` holds each image's boxes [k, 4], best first, ``truth`` its true boxes [m, 4]. Raises
    WorkbenchError if there is no true box.
    """
    hits = np.zeros(len(counts))
    total = sum(len(boxes) for boxes in truth)
    if not total:
        raise WorkbenchError("recall needs true boxes, and there is none; take pictures with outlines")
    for boxes, true_boxes in zip(proposed, truth, strict=True):
        if len(boxes) and len(true_boxes):
            overlapping = box_overlaps(boxes, true_boxes) >= least
            first = np.where(overlapping.any(0), overlapping.argmax(0), np.inf)
            hits += [(first < count).sum() for count in counts]
    return hits / total
