"""Detect the cuts and fades of a video by PySceneDetect, and its dissolves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2

from workbench.collections.video.cuts import CutDetector
from workbench.collections.video.dissolves import LEAST_RATE, DissolveDetector
from workbench.collections.video.reader import Frame

SHORTEST = 0.5  # seconds of a shot
_WIDTH = 256  # pixels to which frames are reduced, as in PySceneDetect
_REDUCTION = 4  # of both sides of these frames, for the detectors of this package
_NEAR = 1.0  # seconds around a cut or a fade within which no dissolve is counted

Detector = Callable[[Iterable[Frame], float], list[float]]


def content_boundaries(frames: Iterable[Frame], fps: float) -> list[float]:
    """The times in seconds at which shots begin, after the first, of a video of ``fps`` frames a second.

    Cuts are found by PySceneDetect's detector of changed content and by ``CutDetector``, fades through black
    by PySceneDetect's detector of black frames, with its default thresholds.
    """
    from scenedetect import ContentDetector, FrameTimecode, ThresholdDetector

    # The shortest length of a shot is applied below, in seconds, because frames may have no fixed period.
    sudden = [ContentDetector(min_scene_len=0), ThresholdDetector(min_scene_len=0)]
    abrupt, dissolves = CutDetector(fps), DissolveDetector(fps)
    times: list[float] = []
    cuts: set[int] = set()
    gradual: set[int] = set()
    for number, (seconds, frame) in enumerate(reduced(frames, _WIDTH)):
        times.append(seconds)
        timecode = FrameTimecode(number, 25.0)  # of which only the number matters
        for detector in sudden:
            cuts.update(cut.frame_num for cut in detector.process_frame(timecode, frame))
        size = max(1, frame.shape[1] // _REDUCTION), max(1, frame.shape[0] // _REDUCTION)
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        cuts.update(abrupt.process_frame(number, small))
        if fps >= LEAST_RATE:
            gradual.update(dissolves.process_frame(number, small))
    boundaries = merged(times[number] for number in sorted(cuts) if 0 < number < len(times))
    extra = [
        seconds
        for seconds in (times[number] for number in sorted(gradual))
        if all(abs(seconds - boundary) > _NEAR for boundary in boundaries)
    ]
    return merged(sorted([*boundaries, *extra]))


def reduced(frames: Iterable[Frame], width: int) -> Iterator[Frame]:
    """Frames reduced to a width of that many pixels; smaller ones stay as they are."""
    for seconds, frame in frames:
        if frame.shape[1] > width:
            height = _REDUCTION * max(1, round(frame.shape[0] * width / frame.shape[1] / _REDUCTION))
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
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
