"""Any frame of a video as a JPEG, also between the moments of the collection."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from workbench.collections.video.header import video_header
from workbench.collections.video.reader import reader_of
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

if TYPE_CHECKING:
    from workbench.bench.bench import Bench


def frames_of(bench: Bench) -> Callable[[str, float, int], bytes]:
    """The frames of the videos of a bench's collection, for a player: see ``frame_jpeg``."""

    def frame(video: str, seconds: float, side: int) -> bytes:
        collection = bench.collection
        if video not in collection.videos:
            raise WorkbenchError(f"{printable(video)!r} is not a video of {collection.name!r}")
        return frame_jpeg(collection.path(video), seconds, side)

    return frame


def frame_jpeg(path: Path, seconds: float, side: int) -> bytes:
    """The frame that is shown at a time, or the last one, its longest side at most ``side`` pixels.

    Raises WorkbenchError with the reason if it cannot be decoded.
    """
    header = video_header(path)
    last = max(0.0, header.seconds - 1.0 / max(header.fps, 1.0))
    _, picture = reader_of(path).frame_at(min(max(seconds, 0.0), last))
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return data.getvalue()
