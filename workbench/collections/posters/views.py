"""Poses of a poster, its projection by a pinhole camera, and its relevance grade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.common.lazy import lazy_module

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

Matrix = NDArray[np.float64]
_FOCAL = 1.1  # focal length over the longer side of the frame, as of a phone's camera


@dataclass(frozen=True)
class Pose:
    """The pose of a sheet in front of the camera: centre as fractions of the frame, angles in degrees.

    At ``scale`` 1 and without rotation the sheet just fits into the frame.
    """

    centre: tuple[float, float]
    scale: float
    yaw: float = 0
    pitch: float = 0
    roll: float = 0


@dataclass(frozen=True)
class View:
    """The ground truth of one poster in one scene.

    ``corners`` [4, 2] are pixels (x, y), clockwise from the top left; ``visible`` is the fraction of its
    area that is in the frame and not covered, ``size`` its area divided by that of the frame, and ``tilt``
    the angle in degrees between its normal and the line of sight to its centre.
    """

    number: int
    corners: Matrix
    visible: float
    tilt: float
    size: float

    @property
    def grade(self) -> str:
        """Easy, hard or junk by visibility, as Radenović et al. (CVPR 2018) grade landmarks."""
        if self.visible < 0.2 or self.visible * self.size < 0.004:
            return "junk"
        return "easy" if self.visible >= 0.85 and self.tilt <= 25 and self.size >= 0.2 else "hard"


def homography(size: tuple[int, int], pose: Pose, frame: tuple[int, int]) -> tuple[Matrix, float]:
    """The homography [3, 3] from a sheet of ``size`` (width, height) to the image, and its tilt in degrees.

    H = K [r1 r2 t] of a pinhole camera (Hartley and Zisserman 2004, section 8.1.1), with the origin of
    both planes at the outer corner of the top left pixel. Without rotation it only scales and shifts.
    """
    yaw, pitch, roll = np.deg2rad([pose.yaw, pose.pitch, pose.roll])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    rotation = np.array(about_z) @ np.array(about_x) @ np.array(about_y)
    focal = _FOCAL * max(frame)
    fit = min(frame[0] / size[0], frame[1] / size[1])
    depth = focal / (pose.scale * fit)  # in pixels of the sheet
    x, y = ((share - 0.5) * side for share, side in zip(pose.centre, frame, strict=True))
    sight = depth * np.array([x / focal, y / focal, 1])
    camera = np.array([[focal, 0, frame[0] / 2], [0, focal, frame[1] / 2], [0, 0, 1]])
    plane = np.array([[1, 0, -size[0] / 2], [0, 1, -size[1] / 2], [0, 0, 1]])
    matrix = camera @ np.column_stack([rotation[:, :2], sight]) @ plane
    cosine = float(abs(rotation[:, 2] @ sight) / np.linalg.norm(sight))
    return matrix / matrix[2, 2], math.degrees(math.acos(min(cosine, 1.0)))


def project(matrix: Matrix, size: tuple[int, int]) -> Matrix:
    """Project the corners of a sheet of ``size`` (width, height): [4, 2], clockwise from the top left."""
    width, height = size
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], dtype=np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, matrix)[0], dtype=np.float64)
