"""The shots of videos, detected once for each file and method, and stored in the cache."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path

from workbench.collections.video.header import VideoHeader, video_header
from workbench.collections.video.reader import Frame, reader_of
from workbench.collections.video.shot import Shot
from workbench.collections.video.shot_detection import SHORTEST, Detector, content_boundaries
from workbench.collections.video.transnet import check_transnet, transnet_boundaries
from workbench.common.files import disk_error, replacing
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

VERSION = 1  # increased when the same video gives other shots
_DETECTORS: dict[str, Detector] = {"content": content_boundaries, "transnetv2": transnet_boundaries}
_PACE = 0.1  # seconds between two reports


class _Stopped(Exception):
    """The work was cancelled."""


def detect_shots(
    videos: Mapping[str, Path], method: str, cache: Path, progress: Progress = silent
) -> dict[str, tuple[Shot, ...] | str]:
    """The shots of videos, {name: file}, in order of time; or the reason that a video cannot be read.

    ``method`` is ``content`` or ``transnetv2``. A readable video has at least one shot. Shots that are not in
    the cache are detected in several threads; ``progress`` may raise Cancelled, and then those of the videos
    that are finished are kept. Raises WorkbenchError if the package of the method is not installed.
    """
    folder = cache / "shots" / f"{method}-v{VERSION}"
    results: dict[str, tuple[Shot, ...] | str] = {}
    missing: dict[str, VideoHeader] = {}
    for done, (name, path) in enumerate(videos.items()):
        if done % 50 == 0:
            progress("reading the shots of videos", done, len(videos))
        try:
            header = video_header(path)
        except WorkbenchError as error:
            results[name] = str(error)
            continue
        boundaries = _read(folder, header)
        if boundaries is None:
            missing[name] = header
        else:
            results[name] = _shots(name, header, boundaries)
    if missing:
        if method == "transnetv2":
            check_transnet()
        results.update(_detect_missing({name: videos[name] for name in missing}, method, folder, progress))
    return {name: results[name] for name in videos}


def read_shots(videos: Mapping[str, Path], method: str, cache: Path) -> dict[str, tuple[Shot, ...]]:
    """The stored shots of videos, {name: file}; without those that are not stored or cannot be read."""
    shots = {}
    for name, path in videos.items():
        with contextlib.suppress(WorkbenchError):
            header = video_header(path)
            if (boundaries := _read(cache / "shots" / f"{method}-v{VERSION}", header)) is not None:
                shots[name] = _shots(name, header, boundaries)
    return shots


def _detect_missing(
    videos: Mapping[str, Path], method: str, folder: Path, progress: Progress
) -> dict[str, tuple[Shot, ...] | str]:
    """Detect and store the shots of videos in several threads, with reports from the caller's thread."""
    stop = threading.Event()
    done: dict[str, float] = dict.fromkeys(videos, 0.0)  # seconds
    total = round(sum(video_header(path).seconds for path in videos.values()))

    def report(name: str, seconds: float) -> None:
        if stop.is_set():
            raise _Stopped
        done[name] = seconds

    def detect(name: str) -> tuple[Shot, ...] | str:
        path = videos[name]
        try:
            header = video_header(path)
            boundaries = _detect(path, method, lambda seconds: report(name, seconds))
        except WorkbenchError as error:
            return str(error)
        _write(folder, header, boundaries)
        return _shots(name, header, boundaries)

    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        waiting: dict[str, Future[tuple[Shot, ...] | str]] = {
            name: pool.submit(detect, name) for name in videos
        }
        while wait(waiting.values(), _PACE).not_done:
            progress("detecting the shots of videos (seconds)", min(total, round(sum(done.values()))), total)
        return {name: future.result() for name, future in waiting.items()}
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _detect(path: Path, method: str, report: Callable[[float], None]) -> list[float]:
    header = video_header(path)

    def reported(frame: Frame) -> Frame:
        report(frame[0])
        return frame

    boundaries = _DETECTORS[method](map(reported, reader_of(path).frames()), header.fps or 1.0)
    if video_header(path).stamp != header.stamp:
        raise TemporarilyUnreadable("the file has changed while it was read; try again")
    return boundaries


def _shots(name: str, header: VideoHeader, boundaries: list[float]) -> tuple[Shot, ...]:
    inner = [seconds for seconds in boundaries if seconds <= header.seconds - SHORTEST]
    return tuple(Shot(name, start, end) for start, end in pairwise([0.0, *inner, header.seconds]))


def _read(folder: Path, header: VideoHeader) -> list[float] | None:
    """The stored boundaries of a video; None if there are none, or if they are damaged."""
    try:
        stored = parse_json((folder / f"{header.fingerprint}.json").read_text("utf-8"))
        boundaries = [float(seconds) for seconds in stored["boundaries"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    increasing = all(a < b for a, b in pairwise([0.0, *boundaries, float("inf")]))
    return boundaries if increasing else None


def _write(folder: Path, header: VideoHeader, boundaries: list[float]) -> None:
    path = folder / f"{header.fingerprint}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(json.dumps({"boundaries": boundaries}), "utf-8")
    except OSError as error:
        raise disk_error(path, error) from None
