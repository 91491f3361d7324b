"""A cue: an interval of a video with the moment that stands for it, as in storyboards and edit lists."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.collection import Collection
from workbench.collections.video.header import video_header
from workbench.config.errors import WorkbenchError


class Cue(NamedTuple):
    """The interval [``start``, ``end``) of a video in seconds, the id of its ``moment``, and a ``note``."""

    video: str
    start: float
    end: float
    moment: str
    note: str = ""


def moment_intervals(seconds: np.ndarray, end: float) -> NDArray[np.float64]:
    """The interval [n, 2] that each moment of one video stands for: up to the middle between two moments.

    ``seconds`` [n] are in order, ``end`` is that of the video; the first interval begins at 0.
    """
    times = np.asarray(seconds, np.float64)
    middles = (times[1:] + times[:-1]) / 2
    last = max(end, float(times[-1])) if len(times) else end
    return np.stack([np.r_[0.0, middles], np.r_[middles, last]], 1) if len(times) else np.zeros((0, 2))


def video_end(collection: Collection, video: str, seconds: np.ndarray) -> float:
    """The length of a video in seconds; of a file that is gone or damaged since, a step after the last of its
    moments ``seconds`` [n]."""
    try:
        return video_header(collection.path(video)).seconds
    except WorkbenchError:
        step = float(seconds[-1] - seconds[-2]) if len(seconds) > 1 else 1.0
        return float(seconds[-1]) + step


def frame_rate(collection: Collection, videos: list[str]) -> float:
    """The rate of most of the videos, in frames a second; 25 where no file tells it."""
    rates: dict[float, int] = {}
    for video in videos:
        try:
            rate = round(video_header(collection.path(video)).fps, 3)
        except WorkbenchError:
            continue
        if rate > 0:
            rates[rate] = rates.get(rate, 0) + 1
    return max(rates, key=lambda rate: rates[rate]) if rates else 25.0
