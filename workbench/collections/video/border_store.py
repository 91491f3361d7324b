"""The boxes inside the borders of videos, computed once for each file and stored in the cache."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections.images import reasons
from workbench.collections.video.borders import content_box
from workbench.collections.video.header import VideoHeader, video_header
from workbench.collections.video.reader import reader_of
from workbench.collections.video.stopping import for_each
from workbench.common.files import replacing
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError

VERSION = 1  # increased when the same video gives another box
FRAMES = 24  # that are decoded of each video


def video_boxes(
    videos: Mapping[str, Path], cache: Path, progress: Progress = silent
) -> dict[str, Box | None]:
    """The box in pixels inside the borders of each video, {name: file}; None without borders.

    Videos that cannot be read have none. ``progress`` may raise Cancelled; the boxes that are known are kept.
    """
    folder = cache / f"borders-v{VERSION}"

    def box_of(name: str) -> Box | None:
        try:
            header = video_header(videos[name])
        except WorkbenchError:
            return None
        known, box = _read(folder / f"{header.fingerprint}.json")
        if not known:
            box = content_box(_spread(videos[name], header))
            _write(folder / f"{header.fingerprint}.json", box)
        return box

    return for_each(box_of, videos, lambda done: progress("looking for borders", done, len(videos)))


def _spread(path: Path, header: VideoHeader) -> Iterator[Image.Image]:
    """Frames at even distances, without those that do not decode."""
    for seconds in np.linspace(0, max(0.0, header.seconds - 1 / max(header.fps, 1)), FRAMES):
        with contextlib.suppress(WorkbenchError), reasons():
            yield reader_of(path).frame_at(float(seconds))[1]


def _read(path: Path) -> tuple[bool, Box | None]:
    """Whether a box is stored, and the box; a damaged file is as a missing one."""
    try:
        stored = parse_json(path.read_text("utf-8"))["box"]
        if stored is None:
            return True, None
        x0, y0, x1, y1 = map(float, stored)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False, None
    return (True, (x0, y0, x1, y1)) if x0 < x1 and y0 < y1 else (False, None)


def _write(path: Path, box: Box | None) -> None:
    with contextlib.suppress(OSError):  # without a writable cache it is computed again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(json.dumps({"box": box}), "utf-8")
