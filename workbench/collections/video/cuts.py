"""Detect cuts by the change of colours from frame to frame, which is abrupt and lasts.

PySceneDetect's detector of changed content averages the changes of hue, saturation and brightness, so that
a cut that changes only one of them stays below its threshold. Here the change of a frame is the mean distance
of its pixels' colours in CIELAB from those of the frame before. It is a cut where it is large compared with
the changes around it, as those of a moving camera are not, and remains, as a flash does not.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

_AROUND = 0.2  # seconds before and after a cut, in which frames change less
_CHANGE = 12.0  # mean distance of colours in a cut at least, with CIELAB scaled to 0 to 255
_ABRUPT = 3.0  # times the largest change around it
_LASTING = 0.7  # of the change, from the frame before to the one at the end of the time around


class CutDetector:
    """The numbers of the frames at which cuts are, from frames in order."""

    def __init__(self, fps: float) -> None:
        self._around = max(1, round(_AROUND * min(fps, 120.0)))  # more is no rate but the unit of times
        self._frames: deque[np.ndarray] = deque(maxlen=self._around + 2)
        self._changes: deque[float] = deque(maxlen=2 * self._around + 1)

    def process_frame(self, number: int, small: np.ndarray) -> list[int]:
        """The number of a frame that begins a shot, none or one, from a reduced BGR frame uint8 [h, w, 3]."""
        colours = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
        if self._frames:
            self._changes.append(_distance(self._frames[-1], colours))
        self._frames.append(colours)
        if len(self._frames) < self._frames.maxlen:  # type: ignore[operator]
            return []
        changes = list(self._changes)
        change = changes.pop(-1 - self._around)
        if change < max(_CHANGE, _ABRUPT * max(changes)):
            return []
        lasts = _distance(self._frames[0], colours) >= _LASTING * change
        return [number - self._around] if lasts else []


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(((one - other) ** 2).sum(2)).mean())
