"""Detect dissolves: a frame in the middle of one is the mean of the frames before and after it.

The production model of Hampapur, Jain and Weymouth (Digital video segmentation, 1994): during a dissolve
the frame at time t is (1 - a) A + a B, with a growing linearly. In a cut the frame in the middle equals one
of the two, and during a movement of the camera it is unlike their mean.
"""

from __future__ import annotations

from collections import deque

import numpy as np

LEAST_RATE = 8.0  # frames a second, below which dissolves are not detected
_RATE = 25.0  # frames a second that are compared at most
_HALF = 0.4  # seconds between the frame in the middle and each of the others
_SCORE = 30.0  # from which there is a dissolve


class DissolveDetector:
    """The numbers of the frames in the middle of dissolves, from frames in order."""

    def __init__(self, fps: float) -> None:
        fps = min(fps, 120.0)  # more is no rate of frames but the unit of their times
        self._every = max(1, round(fps / _RATE))
        self._half = max(2, round(_HALF * fps / self._every))
        self._recent: deque[np.ndarray] = deque(maxlen=2 * self._half + 1)
        self._best = (0.0, 0)  # score and number in the present run of high scores

    def process_frame(self, number: int, small: np.ndarray) -> list[int]:
        """The number of a frame in the middle of a dissolve that ends before this one, none or one.

        ``small`` is a reduced BGR frame uint8 [h, w, 3].
        """
        if number % self._every:
            return []
        self._recent.append(small.astype(np.float32))
        if len(self._recent) <= 2 * self._half:
            return []
        score = dissolve_score(self._recent[0], self._recent[self._half], self._recent[-1])
        if score >= _SCORE:
            self._best = max(self._best, (score, number - self._half * self._every))
            return []
        finished, self._best = self._best, (0.0, 0)
        return [finished[1]] if finished[0] else []


def dissolve_score(before: np.ndarray, middle: np.ndarray, after: np.ndarray) -> float:
    """How far the frame in the middle is the mean of the other two, float frames [h, w, 3] of 0 to 255.

    It is d (1 - 4 r), where d is the root of the mean squared difference of the outer two, and r the mean
    squared difference of the middle from their mean, divided by d². For an ideal dissolve it is d, for a cut
    zero.
    """
    difference = float(np.mean((before - after) ** 2))
    residual = float(np.mean((middle - (before + after) / 2) ** 2))
    return max(0.0, difference - 4 * residual) / max(difference, 1e-6) ** 0.5
