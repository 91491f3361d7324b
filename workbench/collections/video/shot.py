"""A shot: an interval of a video between two cuts, fades or dissolves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.collections.video.moment import DECIMALS


class Shot(NamedTuple):
    """The name of a video, and the interval [``start``, ``end``) of one of its shots, in seconds."""

    video: str
    start: float
    end: float

    @property
    def length(self) -> float:
        """In seconds."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """Such as ``clips/a.mp4#t=3.00,8.40``, an interval of Media Fragments URI 1.0, section 4.2.1."""
        return f"{self.video}#t={self.start:.{DECIMALS}f},{self.end:.{DECIMALS}f}"


def shot_numbers(shots: Sequence[Shot], seconds: Sequence[float] | np.ndarray) -> np.ndarray:
    """The index of the shot of one video that contains each time, int64 [n]; the nearest one outside all.

    ``shots`` are in order and not empty.
    """
    starts = np.array([shot.start for shot in shots])
    # Names of moments are rounded to hundredths of a second.
    times = np.asarray(seconds, np.float64) + 0.5 * 10.0**-DECIMALS
    return np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(shots) - 1)
