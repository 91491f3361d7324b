"""The shots of videos, detected once for each file and method, and stored in the cache."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

from workbench.collections.video.header import VideoHeader, video_header
from workbench.collections.video.reader import Frame, reader_of
from workbench.collections.video.shot import Shot
from workbench.collections.video.shot_detection import SHORTEST, Detector, content_boundaries
from workbench.collections.video.stopping import for_each
from workbench.collections.video.transnet import check_transnet, transnet_boundaries
from workbench.common.files import disk_error, replacing
from workbench.common.progress import Progress, silent
from workbench.common.text import parse_json
from workbench.common.torch_device import choose_device
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

VERSION = 2  # increased when the same video gives other shots
_DETECTORS: dict[str, Detector] = {"content": content_boundaries, "transnetv2": transnet_boundaries}


def detect_shots(
    videos: Mapping[str, Path],
    method: str,
    cache: Path,
    progress: Progress = silent,
    device: str = "auto",
) -> dict[str, tuple[Shot, ...] | str]:
    """The shots of videos, {name: file}, in order of time; or the reason that a video cannot be read.

    ``method`` is ``content`` or ``transnetv2``. A readable video has at least one shot. Shots that are not in
    the cache are detected in several threads; ``progress`` may raise Cancelled, and then those of the videos
    that are finished are kept. ``device`` is that of a network. Raises WorkbenchError if the package of the
    method is not installed, or the device is absent.
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
        detector = _DETECTORS[method]
        if method == "transnetv2":
            check_transnet()
            detector = partial(transnet_boundaries, device=choose_device(device))
        results.update(_detect_missing(missing, videos, detector, folder, progress))
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
    headers: Mapping[str, VideoHeader],
    videos: Mapping[str, Path],
    detector: Detector,
    folder: Path,
    progress: Progress,
) -> dict[str, tuple[Shot, ...] | str]:
    """Detect and store the shots of videos in several threads, with reports in seconds of video."""
    decoded: dict[str, float] = dict.fromkeys(headers, 0.0)
    total = round(sum(header.seconds for header in headers.values()))

    def detect(name: str) -> tuple[Shot, ...] | str:
        header = headers[name]

        def counted(frame: Frame) -> Frame:
            decoded[name] = frame[0]
            return frame

        try:
            frames = map(counted, reader_of(videos[name]).frames(header.seconds))
            boundaries = detector(frames, header.fps)
            if video_header(videos[name]).stamp != header.stamp:
                raise TemporarilyUnreadable("the file has changed while it was read; try again")
        except WorkbenchError as error:
            return str(error)
        _write(folder, header, boundaries)
        return _shots(name, header, boundaries)

    def report(_: int) -> None:
        task = "detecting the shots of videos (seconds)"
        progress(task, min(total, round(sum(decoded.values()))), total)

    return for_each(detect, headers, report)


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
