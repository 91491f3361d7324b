"""Cues as an edit decision list, CMX 3600, which video editors read: the cues one after another."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

from workbench.collections.video.cue import Cue
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

MOST = 999  # events: their numbers have three digits
_REEL = 8  # characters of the name of a source
_FASTEST = 60  # frames a second that editors have timecodes of
_FIRST_HOUR = 3600  # seconds: the timecode at which the edited programme begins, by convention


def edit_list(cues: Sequence[Cue], fps: float, title: str = "") -> str:
    """The events of an EDL: each cue cut from its source, beginning at the timecode 01:00:00:00.

    ``fps`` is the rate of the edited programme: 29.97 counts 30 frames a second, without dropped numbers
    (non-drop). Times are rounded to frames, and every event has one at least. Sources begin at 00:00:00:00.
    Raises WorkbenchError for more than 999 events, which the format cannot number.
    """
    if len(cues) > MOST:
        raise WorkbenchError(
            f"an EDL has at most {MOST} events, not {len(cues):,}; export fewer moments, or the cue sheet"
        )
    rate = fps if fps > 0 else 25.0
    while round(rate) > _FASTEST:
        rate /= 2
    base = max(1, round(rate))
    lines = [f"TITLE: {_line(title) or 'workbench'}", "FCM: NON-DROP FRAME", ""]
    place = _FIRST_HOUR * base
    reel = reels([cue.video for cue in cues])
    for number, cue in enumerate(cues, start=1):
        start = round(cue.start * rate)
        length = max(1, round(cue.end * rate) - start)
        times = " ".join(timecode(frame, base) for frame in (start, start + length, place, place + length))
        lines += [
            f"{number:03}  {reel[cue.video]:<{_REEL}} V     C        {times}",
            f"* FROM CLIP NAME: {_line(PurePosixPath(cue.video).name)}",
            f"* SOURCE FILE: {_line(cue.video)}",
        ]
        lines += [f"* COMMENT: {_line(cue.note)}"] if cue.note else []
        place += length
    return "\r\n".join(lines) + "\r\n"


def timecode(frame: int, base: int) -> str:
    """The timecode ``hh:mm:ss:ff`` of a frame, of ``base`` a second; it begins again after 24 hours."""
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02}:{minutes:02}:{seconds:02}:{frames:02}"


def reels(videos: Sequence[str]) -> dict[str, str]:
    """A name for each video as a source, of eight letters and digits at most, from its file: all differ."""
    names: dict[str, str] = {}
    for video in dict.fromkeys(videos):
        stem = unicodedata.normalize("NFKD", PurePosixPath(video).stem).encode("ascii", "ignore").decode()
        plain = "".join(character for character in stem.upper() if character.isalnum()) or "AX"
        name, number = plain[:_REEL], 1
        while name in names.values():
            number += 1
            name = f"{plain[: _REEL - len(str(number))]}{number}"
        names[video] = name
    return names


def _line(text: str) -> str:
    return printable(text).strip()
