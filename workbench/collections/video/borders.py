"""The picture inside the uniform borders of a video: letterbox, pillarbox or a frame around it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image

from workbench.common.geometry import Box

SIDE = 256  # pixels to which frames are reduced
_UNIFORM = 12.0  # grey levels between the 2nd and the 98th percentile of a line, and between frames
_FRAMES = 0.95  # of the frames, in which a line must be uniform
_MOST = 0.4  # of the width or the height, on one side
_LEAST = 0.02  # of the width or the height: a thinner border is left


def content_box(frames: Iterable[Image.Image]) -> Box | None:
    """The box in pixels inside the borders that all frames of a video have; None without borders.

    A line belongs to a border if it and all lines outside it are uniform, of one grey level that stays the
    same. Frames that are uniform as a whole, as in a fade, are left out.
    """
    small, size = [], (0, 0)
    for frame in frames:
        size = frame.size
        scale = min(1.0, SIDE / max(size))
        reduced = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
        grey = cv2.resize(np.asarray(frame.convert("L")), reduced, interpolation=cv2.INTER_AREA)
        if np.ptp(np.percentile(grey, [2, 98])) > 2 * _UNIFORM:
            small.append(grey.astype(np.float32))
    if not small:
        return None
    stack = np.stack(small)
    top, bottom = _ends(stack)
    left, right = _ends(stack.transpose(0, 2, 1))
    height, width = stack.shape[1:]
    x, y = size[0] / width, size[1] / height
    if (top, bottom, left, right) == (0, height, 0, width):
        return None
    return left * x, top * y, right * x, bottom * y


def _ends(stack: np.ndarray) -> tuple[int, int]:
    """The first line and the one after the last line of the content, of frames [T, lines, pixels]."""
    count = stack.shape[1]
    low, high = np.percentile(stack, [2, 98], axis=2)
    levels = np.median(stack, axis=2)
    level = np.median(levels, 0)
    flat = (high - low <= _UNIFORM) & (np.abs(levels - level) <= _UNIFORM)
    uniform = flat.mean(0) >= _FRAMES

    def border(lines: np.ndarray) -> int:
        same = uniform[lines] & (np.abs(level[lines] - level[lines[0]]) <= _UNIFORM)
        length = len(lines) if same.all() else int(same.argmin())
        # The line at the edge is mixed with the border by resizing.
        return length + 1 if _LEAST * count <= length <= _MOST * count else 0

    return border(np.arange(count)), count - border(np.arange(count)[::-1])
