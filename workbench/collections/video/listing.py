"""The moments of the videos of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.collections.video.header import VideoHeader, remember, sample_times, video_header
from workbench.collections.video.header_table import store_headers, stored_headers
from workbench.collections.video.moment import moment_name
from workbench.collections.video.sampling import Sampling, shot_times
from workbench.collections.video.shot import Shot
from workbench.collections.video.stopping import for_each
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError


@dataclass(frozen=True)
class VideoListing:
    """The names of moments, in the order of videos and times, and (video, reason) of what is not read."""

    moments: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]  # whole videos
    notes: tuple[str, ...]  # on videos that are read in part


def list_moments(
    root: Path,
    videos: Sequence[str],
    sampling: Sampling,
    progress: Progress = silent,
    cache: Path | None = None,
) -> VideoListing:
    """Sample videos below ``root``, whose headers are kept in ``cache``.

    Raises WorkbenchError if shots are needed and cannot be detected.
    """
    headers = _headers(root, videos, progress, cache)
    readable = {video: header for video, header in headers.items() if isinstance(header, VideoHeader)}
    unread = {video: reason for video, reason in headers.items() if isinstance(reason, str)}
    shots: dict[str, tuple[Shot, ...] | str] = {}
    if sampling.per_shot:
        from workbench.collections.video.shot_store import detect_shots  # PySceneDetect takes a second

        paths = {video: root / video for video in readable}
        shots = detect_shots(paths, sampling.shots, sampling.cache, progress, sampling.device)
    moments: list[str] = []
    notes: list[str] = []
    for video, header in readable.items():
        detected = shots.get(video, ())
        if isinstance(detected, str):
            unread[video] = detected
            continue
        times = shot_times(detected, sampling.per_shot) if detected else sample_times(header, sampling.fps)
        moments += [moment_name(video, seconds) for seconds in times]
        if header.note:
            notes.append(f"{video!r}: {header.note}")
    return VideoListing(tuple(moments), tuple(unread.items()), tuple(notes))


def _headers(
    root: Path, videos: Sequence[str], progress: Progress, cache: Path | None
) -> dict[str, VideoHeader | str]:
    """The headers of videos, or the reasons that they cannot be read."""
    stored = {} if cache is None else stored_headers(cache, (root / video for video in videos))
    remember(stored)

    def read(video: str) -> VideoHeader | str:
        try:
            return video_header(root / video)
        except WorkbenchError as error:
            return str(error)

    headers = for_each(read, videos, lambda done: progress("checking videos", done, len(videos)))
    if cache is not None:
        readable = ((root / video, h) for video, h in headers.items() if isinstance(h, VideoHeader))
        store_headers(cache, [(path, header) for path, header in readable if stored.get(path) != header])
    return headers
