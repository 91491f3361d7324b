"""Detect the cuts, fades and dissolves of a video, by the signals of PySceneDetect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import cv2

from workbench.collections.video.reader import Frame

if TYPE_CHECKING:
    from scenedetect.detector import SceneDetector

SHORTEST = 0.5  # seconds of a shot
_WIDTH = 256  # pixels to which frames are reduced, as in PySceneDetect

Detector = Callable[[Iterable[Frame], float], list[float]]


def content_boundaries(frames: Iterable[Frame], fps: float) -> list[float]:
    """The times in seconds at which shots begin, after the first, by PySceneDetect's detectors of changed
    content (cuts) and of black frames (fades), at ``fps`` frames a second.
    """
    from scenedetect import ContentDetector, FrameTimecode, ThresholdDetector

    detectors: list[SceneDetector] = [
        ContentDetector(min_scene_len=SHORTEST),
        ThresholdDetector(min_scene_len=SHORTEST),
    ]
    times: list[float] = []
    cuts: set[int] = set()
    for number, (seconds, frame) in enumerate(reduced(frames, _WIDTH)):
        times.append(seconds)
        timecode = FrameTimecode(number, fps)
        for detector in detectors:
            cuts.update(cut.frame_num for cut in detector.process_frame(timecode, frame))
    return merged(times[number] for number in sorted(cuts) if 0 < number < len(times))


def reduced(frames: Iterable[Frame], width: int) -> Iterator[Frame]:
    """Frames reduced to a width of that many pixels; smaller ones stay as they are."""
    for seconds, frame in frames:
        if frame.shape[1] > width:
            height = max(1, round(frame.shape[0] * width / frame.shape[1]))
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        yield seconds, frame


def merged(boundaries: Iterable[float]) -> list[float]:
    """Boundaries in order, without those that would end a shot shorter than ``SHORTEST``."""
    kept: list[float] = []
    last = 0.0
    for seconds in boundaries:
        if seconds - last >= SHORTEST:
            kept.append(seconds)
            last = seconds
    return kept
