"""How moments are sampled from videos: at a rate, or a number from each shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.collections.video.moment import DECIMALS
from workbench.collections.video.shot import Shot


@dataclass(frozen=True)
class Sampling:
    """``fps`` moments a second, or ``per_shot`` moments of each shot unless that is zero.

    ``shots`` is the method by which shots are detected; they are stored in the folder ``cache``.
    """

    fps: float = 1.0
    per_shot: int = 0
    shots: str = "content"
    cache: Path = Path("data")
    device: str = "auto"  # of a network that detects shots


DEFAULT = Sampling()


def shot_times(shots: Sequence[Shot], per_shot: int) -> list[float]:
    """The times in seconds of ``per_shot`` moments of each shot, at the middles of its equal parts.

    In shots of a few hundredths of a second there are fewer, because names have hundredths.
    """
    times = (
        round(shot.start + shot.length * (part + 0.5) / per_shot, DECIMALS)
        for shot in shots
        for part in range(per_shot)
    )
    return list(dict.fromkeys(times))
