"""A moment of a video, named ``clips/a.mp4#t=12.40``: its file and the seconds since its beginning.

The fragment is that of the W3C recommendation Media Fragments URI 1.0 (2012), section 4.2.1.
"""

from __future__ import annotations

import re
from os.path import splitext
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .mts .m2ts .wmv .flv .ogv .3gp".split())
DECIMALS = 2  # of the seconds in a name
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class Moment(NamedTuple):
    """The file of a video, and the time of one of its frames in seconds."""

    file: Path
    seconds: float


def moment_name(video: str, seconds: float) -> str:
    """The name of a moment of the video of that name; seconds are rounded to hundredths."""
    return f"{video}#t={seconds:.{DECIMALS}f}"


def moment_of(path: Path) -> Moment | None:
    """The moment that a path names; None for the path of a file."""
    video, seconds = _parts(str(path))
    return Moment(Path(video), seconds) if video else None


def video_of(image_id: str) -> str:
    """The name of the video of a moment; empty for the name of an image."""
    return _parts(image_id)[0]


def seconds_of(image_id: str) -> float:
    """The time of a moment in seconds; zero for the name of an image."""
    return _parts(image_id)[1]


def _parts(name: str) -> tuple[str, float]:
    """The name of the video and the seconds; empty and zero for another name. Fast, for many images."""
    video, mark, seconds = name.rpartition("#t=")
    if not mark or splitext(video)[1].lower() not in SUFFIXES or not _SECONDS.fullmatch(seconds):
        return "", 0.0
    return video, float(seconds)


def clock(seconds: float) -> str:
    """A time as it is shown: ``0:12.4``, ``1:02:03.0``."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes}:{rest / 10:04.1f}"
    return text if not hours else f"{hours}:{minutes:02}:{rest / 10:04.1f}"
