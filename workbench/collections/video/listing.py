"""The moments of the videos of a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from workbench.collections.video.header import VideoHeader, sample_times, video_header
from workbench.collections.video.moment import moment_name
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class VideoListing:
    """The names of moments, in the order of videos and times, and (video, reason) of what is not read."""

    moments: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]  # whole videos
    notes: tuple[str, ...]  # on videos that are read in part


def list_moments(root: Path, videos: Sequence[str], fps: float, progress: Progress = silent) -> VideoListing:
    """Sample videos below ``root`` at ``fps`` frames a second, from their beginnings."""

    def read(video: str) -> VideoHeader | str:
        try:
            return video_header(root / video)
        except WorkbenchError as error:
            return str(error)

    moments: list[str] = []
    unread: list[tuple[str, str]] = []
    notes: list[str] = []
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        try:
            for done, (video, header) in enumerate(zip(videos, pool.map(read, videos), strict=True), 1):
                progress("checking videos", done, len(videos))
                if isinstance(header, str):
                    unread.append((video, header))
                    continue
                moments += [moment_name(video, seconds) for seconds in sample_times(header, fps)]
                if header.note:
                    notes.append(f"{video!r}: {header.note}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not read the rest
            raise
    return VideoListing(tuple(moments), tuple(unread), tuple(notes))
