"""How well boxes lie on what they should: overlap with boxes and outlines, and the recall of proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou

from workbench.collections.collection import Box
from workbench.collections.poster_views import polygon_area
from workbench.config import WorkbenchError


def as_box(values: np.ndarray) -> Box:
    """A row [4] of an array as a box."""
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] (x0, y0, x1, y1) with others [m, 4], 0…1: [n, m]."""
    a, b = (torch.as_tensor(np.asarray(one, np.float64).reshape(-1, 4)) for one in (boxes, others))
    return box_iou(a, b).nan_to_num(0.0).numpy()


def outline_overlap(
    box: Sequence[float], corners: Sequence[Sequence[float]], frame: tuple[float, float]
) -> float:
    """Intersection over union of a box with a convex outline [n, 2], as far as that lies in the picture.

    ``frame`` is the picture's (width, height). Nought where nothing of the outline is in it.
    """
    x0, y0, x1, y1 = box
    target = clipped(np.asarray(corners, float), (0, 0, *frame))
    seen, shared = polygon_area(target), polygon_area(clipped(target, box))
    union = seen + max(0.0, x1 - x0) * max(0.0, y1 - y0) - shared
    return shared / union if union > 0 else 0.0


def clipped(corners: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """The part of a convex polygon [n, 2] that lies in a box: [m, 2] (Sutherland and Hodgman 1974)."""
    for axis, (low, high) in enumerate(zip(box[:2], box[2:], strict=True)):
        for edge, sign in ((low, 1.0), (high, -1.0)):
            depth = sign * (corners[:, axis] - edge)
            kept = []
            for n in range(len(corners)):
                before, here = depth[n - 1], depth[n]
                if before * here < 0:
                    share = before / (before - here)
                    kept.append(corners[n - 1] + share * (corners[n] - corners[n - 1]))
                if here >= 0:
                    kept.append(corners[n])
            corners = np.array(kept).reshape(-1, 2)
    return corners


def bounds(corners: Sequence[Sequence[float]], frame: tuple[float, float]) -> np.ndarray:
    """The bounding box [4] of an outline [n, 2], clipped to the picture of that (width, height)."""
    points = np.asarray(corners, float).clip(0, frame)
    return np.concatenate([points.min(0), points.max(0)])


def recall(
    proposed: Sequence[np.ndarray], truth: Sequence[np.ndarray], counts: Sequence[int], least: float = 0.5
) -> np.ndarray:
    """The share of true boxes that one of an image's first n proposals overlaps by ``least``, for each n.

    ``proposed`` are each image's boxes [k, 4], best first, ``truth`` its true ones [m, 4]. Raises
    WorkbenchError where there is no true box at all.
    """
    found = np.zeros(len(counts))
    total = sum(len(boxes) for boxes in truth)
    if not total:
        raise WorkbenchError("recall is of true boxes, and there is none; take pictures with outlines")
    for boxes, wanted in zip(proposed, truth, strict=True):
        if len(boxes) and len(wanted):
            enough = overlaps(boxes, wanted) >= least
            first = np.where(enough.any(0), enough.argmax(0), np.inf)
            found += [(first < count).sum() for count in counts]
    return found / total
