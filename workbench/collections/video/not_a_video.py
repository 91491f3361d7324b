"""Why a file is not opened as a video."""

from __future__ import annotations

from pathlib import Path

from workbench.common.lazy import lazy_module

av = lazy_module("av")

NO_PICTURES = "the file has no pictures, only sound"


def why_not_opened(path: Path) -> str:
    """The likely reason that a file is not opened as a video."""
    with path.open("rb") as file:
        head = file.read(4096)
    if b"ftyp" in head[:16] and b"moov" not in head and not _has_index(path):
        return "the file is cut short: its index (moov) is missing; copy or record it again"
    return NO_PICTURES if _has_only_sound(path) else "the content is not a video that can be decoded"


def _has_only_sound(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio) and not container.streams.video
    except (av.error.FFmpegError, OSError, ValueError):
        return False


def _has_index(path: Path) -> bool:
    """Whether a file of MP4's kind has the box ``moov`` (ISO/IEC 14496-12, section 8.2.1)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        while place + 8 <= size:
            file.seek(place)
            box = file.read(16)
            length, kind = int.from_bytes(box[:4], "big"), box[4:8]
            if kind == b"moov":
                return True
            if length == 1 and len(box) == 16:
                length = int.from_bytes(box[8:16], "big")
            if length < 8:
                return False
            place += length
    return False
