"""Overlap of boxes with boxes and outlines, and the recall of region proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import box_iou

from workbench.collections.collection import Box
from workbench.collections.poster_views import polygon_area
from workbench.config import WorkbenchError


def as_box(values: np.ndarray) -> Box:
    """Convert a row [4] of an array to a box."""
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] (x0, y0, x1, y1) with others [m, 4], 0…1: [n, m]."""
    a, b = (torch.as_tensor(np.asarray(array, np.float64).reshape(-1, 4)) for array in (boxes, others))
    return box_iou(a, b).nan_to_num(0.0).numpy()


def outline_overlap(
    box: Sequence[float], corners: Sequence[Sequence[float]], frame: tuple[float, float]
) -> float:
    """Intersection over union of a box with a convex outline [n, 2], clipped to the picture.

    ``frame`` is the picture's (width, height). Zero if the outline lies outside the picture.
    """
    x0, y0, x1, y1 = box
    target = clipped(np.asarray(corners, float), (0, 0, *frame))
    target_area, shared_area = polygon_area(target), polygon_area(clipped(target, box))
    union = target_area + max(0.0, x1 - x0) * max(0.0, y1 - y0) - shared_area
    return shared_area / union if union > 0 else 0.0


def clipped(corners: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """Clip a convex polygon [n, 2] to a box: [m, 2] (Sutherland and Hodgman 1974).

    ``cv2.intersectConvexConvex`` computes in float32 and fails on polygons that share edges.
    """
    for axis, (low, high) in enumerate(zip(box[:2], box[2:], strict=True)):
        for edge, sign in ((low, 1.0), (high, -1.0)):
            depth = sign * (corners[:, axis] - edge)
            kept = []
            for n in range(len(corners)):
                previous, current = depth[n - 1], depth[n]
                if previous * current < 0:
                    fraction = previous / (previous - current)
                    kept.append(corners[n - 1] + fraction * (corners[n] - corners[n - 1]))
                if current >= 0:
                    kept.append(corners[n])
            corners = np.array(kept).reshape(-1, 2)
    return corners


def bounds(corners: Sequence[Sequence[float]], frame: tuple[float, float]) -> np.ndarray:
    """Return the bounding box [4] of an outline [n, 2], clipped to the picture of that (width, height)."""
    points = np.asarray(corners, float).clip(0, frame)
    return np.concatenate([points.min(0), points.max(0)])


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
            overlapping = overlaps(boxes, true_boxes) >= least
            first = np.where(overlapping.any(0), overlapping.argmax(0), np.inf)
            hits += [(first < count).sum() for count in counts]
    return hits / total
