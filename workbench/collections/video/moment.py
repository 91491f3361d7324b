"""A moment of a video, named ``clips/a.mp4#t=12.40``: its file and the seconds since its beginning.

The fragment is that of the W3C recommendation Media Fragments URI 1.0 (2012), section 4.2.1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .mts .m2ts .wmv .flv .ogv .3gp".split())
DECIMALS = 2  # of the seconds in a name
_NAME = re.compile(r"(?P<file>.+)#t=(?P<seconds>\d+(\.\d+)?)", re.DOTALL)


class Moment(NamedTuple):
    """The file of a video, and the time of one of its frames in seconds."""

    file: Path
    seconds: float


def moment_name(video: str, seconds: float) -> str:
    """The name of a moment of the video of that name; seconds are rounded to hundredths."""
    return f"{video}#t={seconds:.{DECIMALS}f}"


def moment_of(path: Path) -> Moment | None:
    """The moment that a path names; None for the path of a file."""
    if "#t=" not in path.name:
        return None
    match = _NAME.fullmatch(str(path))
    if match is None or Path(match["file"]).suffix.lower() not in SUFFIXES:
        return None
    return Moment(Path(match["file"]), float(match["seconds"]))


def video_of(image_id: str) -> str:
    """The name of the video of a moment; empty for the name of an image."""
    if "#t=" not in image_id:
        return ""  # at once: collections have many images
    moment = moment_of(Path(image_id))
    return "" if moment is None else image_id.rpartition("#t=")[0]


def seconds_of(image_id: str) -> float:
    """The time of a moment in seconds; zero for the name of an image."""
    return float(image_id.rpartition("#t=")[2]) if video_of(image_id) else 0.0


def clock(seconds: float) -> str:
    """A time as it is shown: ``0:12.4``, ``1:02:03.0``."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes}:{rest / 10:04.1f}"
    return text if not hours else f"{hours}:{minutes:02}:{rest / 10:04.1f}"
