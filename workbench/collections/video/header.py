"""The facts of a video file: its size, its length as it decodes, and the times at which it is sampled."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.collections.video.reader import reader_of
from workbench.common.files import Stamp, stamp
from workbench.config.errors import WorkbenchError

_STEP = 0.5  # seconds, to which the end of a file that is cut short is found
LONGEST = 48 * 3600.0  # seconds: a file that declares more has a damaged index
_ENDS = 65536  # bytes at both ends that belong to the fingerprint


@dataclass(frozen=True)
class VideoHeader:
    """The upright size in pixels, the length in seconds that decodes, and the frames a second.

    ``note`` says what is wrong, such as a file that is cut short; mostly empty.
    """

    width: int
    height: int
    seconds: float
    fps: float
    fingerprint: str
    note: str
    stamp: Stamp


_headers: dict[Path, VideoHeader] = {}
_lock = threading.Lock()


def video_header(path: Path) -> VideoHeader:
    """The header of a video, cached until the file changes. Raises WorkbenchError with the reason that no
    frame of it can be read."""
    with _lock:
        known = _headers.get(path)
    if known is not None:  # without opening the file in each thread
        with contextlib.suppress(OSError, ValueError):
            if known.stamp == stamp(path.stat()):
                return known
    reader = reader_of(path)
    first, _ = reader.frame_at(0.0)
    declared = reader.seconds
    seconds, note = declared, ""
    if not 0 < declared <= LONGEST:
        seconds = _length(path)
        note = "the file declares no length"
    elif not _decodes(path, end := max(first, declared - 1.5 / max(reader.fps, 1.0))):
        seconds = _last_second(path, first, end)
        note = f"cut short or damaged: it declares {declared:.1f} s, and decodes up to {seconds:.1f} s"
    header = VideoHeader(
        reader.width, reader.height, seconds, reader.fps, _fingerprint(path), note, stamp(path.stat())
    )
    with _lock:
        _headers[path] = header
    return header


def known_lengths(videos: Mapping[str, Path]) -> dict[str, float]:
    """The seconds of those videos, {name: file}, whose headers were read before; no file is opened."""
    with _lock:
        return {name: _headers[path].seconds for name, path in videos.items() if path in _headers}


def remember(headers: Mapping[Path, VideoHeader]) -> None:
    """Keep headers that were read earlier, each until its file's stamp differs."""
    with _lock:
        _headers.update({path: header for path, header in headers.items() if path not in _headers})


def sample_times(header: VideoHeader, fps: float) -> list[float]:
    """The times 0, 1/fps, 2/fps, … before the end, in seconds; at least one."""
    count = max(1, math.ceil(header.seconds * fps - 1e-6))
    return [number / fps for number in range(count)]


def _decodes(path: Path, seconds: float) -> bool:
    try:
        reader_of(path).frame_at(seconds)
    except WorkbenchError:
        return False
    return True


def _last_second(path: Path, low: float, high: float) -> float:
    """The end of what decodes, to half a second, by bisection."""
    while high - low > _STEP:
        middle = (low + high) / 2
        low, high = (middle, high) if _decodes(path, middle) else (low, middle)
    return low


def _length(path: Path) -> float:
    """The time of the last frame, by decoding all of them."""
    last = 0.0
    for seconds, _ in reader_of(path).frames():
        last = seconds
        if last > LONGEST:
            break
    return last


def _fingerprint(path: Path) -> str:
    """A hash of size, time of change, head and tail."""
    status = path.stat()
    digest = hashlib.blake2b(f"{status.st_size} {status.st_mtime_ns} ".encode(), digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, status.st_size - _ENDS))
        digest.update(file.read(_ENDS))
    return digest.hexdigest()
