"""What is done to the frames of a copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from workbench.collections.reels.camera import FRAME
from workbench.collections.reels.frames import ClipFrames, Frame, Studio
from workbench.collections.reels.plan import CopyPlan

_JPEG_QUALITY: Final = 18
_BAR: Final = 30  # rows of black above and below a letterbox


def copy_frames(copy: CopyPlan, studio: Studio) -> Iterator[Frame]:
    """The frames of a query video: the copied segment, and what is around it."""
    original = ClipFrames(copy.original, studio)
    if copy.before:
        yield from ClipFrames(copy.before, studio).frames()
    for number in range(copy.length):
        yield transformed(original.frame(copy.start + int(number * copy.speed)), copy.transformation)
    if copy.after:
        yield from ClipFrames(copy.after, studio).frames()


def transformed(frame: Frame, transformation: str) -> Frame:
    """A frame after a transformation of pixels; those of time only return it as it is."""
    if transformation == "mirrored":
        return np.ascontiguousarray(frame[:, ::-1])
    if transformation == "grey":
        return np.asarray(cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    if transformation == "re-encoded":
        return _reencoded(frame)
    if transformation == "logo":
        return _with_logo(frame)
    if transformation == "letterbox":
        inside = frame[_BAR:-_BAR]
        return np.asarray(cv2.copyMakeBorder(inside, _BAR, _BAR, 0, 0, cv2.BORDER_CONSTANT), np.uint8)
    if transformation == "several":
        return transformed(_with_logo(transformed(frame, "mirrored")), "grey")
    return frame


def _reencoded(frame: Frame) -> Frame:
    """Half as large, with JPEG's blocks, and as large as before again."""
    half = cv2.resize(frame, (FRAME[0] // 2, FRAME[1] // 2), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", half, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    coarse = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.resize(coarse, FRAME), np.uint8)


def _with_logo(frame: Frame) -> Frame:
    """A channel's mark in the upper right corner, and a line of text below."""
    marked = frame.copy()
    cv2.circle(marked, (280, 38), 26, (226, 61, 75), -1, cv2.LINE_AA)
    cv2.putText(marked, "TV", (264, 46), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    cv2.rectangle(marked, (0, 206), (319, 231), (20, 24, 40), -1)
    cv2.putText(
        marked,
        "seen on channel nine",
        (10, 224),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.55,
        (240, 240, 240),
        1,
        cv2.LINE_AA,
    )
    return marked
