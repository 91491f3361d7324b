"""Boxes and outlines: areas, clipping and overlaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.config.errors import WorkbenchError

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
CORNERS = ("x0", "y0", "x1", "y1")  # as columns of a table


def as_box(values: np.ndarray) -> Box:
    """Convert a row [4] of an array to a box."""
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1


def valid_box(values: Any) -> Box:
    """Check a box that a user gives. Raises WorkbenchError if it is not four finite numbers, or is empty."""
    if isinstance(values, str):
        values = values.split(",")
    try:
        x0, y0, x1, y1 = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        x0 = y0 = x1 = y1 = math.nan
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        shown = ",".join(map(str, values)) if isinstance(values, list | tuple) else str(values)
        raise WorkbenchError(f"box {shown!r} is not four numbers x0,y0,x1,y1 in pixels")
    if x1 <= x0 or y1 <= y0:
        raise WorkbenchError(
            f"box {x0:g},{y0:g},{x1:g},{y1:g} is empty: x1 must be greater than x0, and y1 greater than y0"
        )
    return x0, y0, x1, y1


def box_overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] (x0, y0, x1, y1) with others [m, 4], 0…1: [n, m]."""
    a, b = (np.asarray(array, np.float64).reshape(-1, 4) for array in (boxes, others))
    a, b = a[:, None], b[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clip(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(union), where=union > 0)


def outline_overlap(
    box: Sequence[float], corners: Sequence[Sequence[float]], frame: tuple[float, float]
) -> float:
    """Intersection over union of a box with a convex outline [n, 2], clipped to the picture.

    ``frame`` is the picture's (width, height). Zero if the outline lies outside the picture.
    """
    x0, y0, x1, y1 = box
    target = clip_polygon(np.asarray(corners, float), (0, 0, *frame))
    target_area, shared_area = polygon_area(target), polygon_area(clip_polygon(target, box))
    union = target_area + max(0.0, x1 - x0) * max(0.0, y1 - y0) - shared_area
    return shared_area / union if union > 0 else 0.0


def clip_polygon(corners: np.ndarray, box: Sequence[float]) -> np.ndarray:
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


def bounding_box(corners: Sequence[Sequence[float]], frame: tuple[float, float]) -> np.ndarray:
    """Return the bounding box [4] of an outline [n, 2], clipped to the picture of that (width, height)."""
    points = np.asarray(corners, float).clip(0, frame)
    return np.concatenate([points.min(0), points.max(0)])


def polygon_area(corners: np.ndarray) -> float:
    """The area of a simple polygon [N, 2], by the shoelace formula."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
