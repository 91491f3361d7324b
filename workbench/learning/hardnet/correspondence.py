"""Keypoints under a homography: their transformed position, size and angle, and matches by geometry."""

from __future__ import annotations

import numpy as np

NEAR = 0.25  # times the smaller size, within which a matching keypoint may lie
SCALE_RATIO = 1.35  # between the sizes of matching keypoints, at most
ANGLE = 20.0  # degrees between the angles of matching keypoints, at most


def match_keypoints(points: np.ndarray, others: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Pairs int [m, 2] of keypoints [n, 4] and others [k, 4] that a homography [3, 3] maps to each other.

    Keypoints are x, y, size, angle in degrees. Pairs are mutual nearest neighbours: each row is in one pair
    at most.
    """
    if not len(points) or not len(others):
        return np.zeros((0, 2), int)
    moved = transform_keypoints(points, matrix)
    distance = np.linalg.norm(moved[:, None, :2] - others[None, :, :2], axis=2)
    ratio = np.abs(np.log(np.maximum(moved[:, None, 2], 1e-9) / others[None, :, 2]))
    turn = np.abs((moved[:, None, 3] - others[None, :, 3] + 180) % 360 - 180)
    fits = (distance <= NEAR * np.minimum(moved[:, None, 2], others[None, :, 2]) + 0.5) & (
        (ratio <= np.log(SCALE_RATIO)) & (turn <= ANGLE)
    )
    cost = np.where(fits, distance, np.inf)
    best, back = cost.argmin(1), cost.argmin(0)
    rows = np.flatnonzero(np.isfinite(cost.min(1)) & (back[best] == np.arange(len(points))))
    return np.stack([rows, best[rows]], 1)


def transform_keypoints(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Keypoints [n, 4] under a homography [3, 3] of pixels; size and angle by its derivative at each."""
    x, y, size, angle = points.astype(np.float64).T
    weight = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    u, v = ((row[0] * x + row[1] * y + row[2]) / weight for row in matrix[:2])
    a, b = ((matrix[0, k] - u * matrix[2, k]) / weight for k in (0, 1))
    c, d = ((matrix[1, k] - v * matrix[2, k]) / weight for k in (0, 1))
    radians = np.deg2rad(angle)
    new_angle = np.arctan2(
        c * np.cos(radians) + d * np.sin(radians), a * np.cos(radians) + b * np.sin(radians)
    )
    return np.stack([u, v, size * np.sqrt(np.abs(a * d - b * c)), np.rad2deg(new_angle) % 360], 1)
