"""Moments on screen: their time, their shot where it is known, and their video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workbench.collections.video.moment import clock, seconds_of, video_of
from workbench.config.printable import printable

Starts = Mapping[str, Sequence[float]]  # of a video: the seconds at which its shots begin


def moment_caption(image_id: str, starts: Starts) -> str:
    """Such as ``0:12.4 · shot 3 · clips/a.mp4``; empty for an image that is no moment."""
    if not (video := video_of(image_id)):
        return ""
    return f"{moment_place(image_id, starts)} · {printable(video)}"


def moment_place(image_id: str, starts: Starts) -> str:
    """The time of a moment, and the number of its shot where it is known: ``0:12.4 · shot 3``."""
    video, seconds = video_of(image_id), seconds_of(image_id)
    shot = f" · shot {shot_number(starts[video], seconds)}" if video in starts else ""
    return f"{clock(seconds)}{shot}"


def shot_number(starts: Sequence[float], seconds: float) -> int:
    """The number, from 1, of the shot that contains a time; ``starts`` are in order."""
    return max(1, int(np.searchsorted(starts, seconds + 0.005, side="right")))


def starts_of(shots: pd.DataFrame) -> dict[str, list[float]]:
    """The beginnings of the shots of each video of a table of shots (``bench.videos.shots``)."""
    return {
        str(video): table["start"].astype(float).tolist()
        for video, table in shots.groupby("video", sort=False)
    }
