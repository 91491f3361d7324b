"""Two pictures side by side with their keypoints, and lines between matches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"
_PARTS = ("element", "points", "keypoints", "keypoint_pairs")
NOWHERE = [-1, -1]


class KeyPairs(anywidget.AnyWidget):
    """Keypoints as circles with their orientation, matches as lines: inliers solid, outliers dashed.

    ``sides`` are two dicts of ``name`` and ``role``, shown as text, and optionally ``opens``, the
    reference in the lightbox (the name without it). ``points`` are float32 x, y, size and
    angle (pixels of ``sizes``, degrees) of the first picture and then of the second, each with the strongest
    first; ``pairs`` uint32 rows of both; ``inside`` uint8: whether each pair is an inlier. A place is [side,
    keypoint]. ``held`` is the picked one, ``lit`` are emphasised keypoints of both.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in _PARTS)
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("keypoint_pairs", "matches"))
    pictures = T.List(T.Bytes()).tag(sync=True)  # JPEG; empty without a picture
    sides = T.List(T.Dict()).tag(sync=True)
    sizes = T.List(T.List()).tag(sync=True)  # width and height of each picture, in the units of the points
    counts = T.List(T.Int(), [0, 0]).tag(sync=True)
    points = T.Bytes().tag(sync=True)
    version = T.Int(0).tag(sync=True)  # of the points, sent back with their numbers
    pairs = T.Bytes().tag(sync=True)
    inside = T.Bytes().tag(sync=True)
    most = T.Int(200).tag(sync=True)  # keypoints drawn in each picture, the strongest
    inliers = T.Bool(True).tag(sync=True)  # whether their lines are drawn
    outliers = T.Bool(False).tag(sync=True)
    lit = T.List(T.List(), [[], []]).tag(sync=True)
    held = T.List(T.Int(), NOWHERE).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)  # dimmed: shows the answer to an older question
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no picture

    def on_point(self, handler: Callable[[list[int]], None]) -> None:
        """Call ``handler`` with the place under the pointer, or reached by keys."""
        self._on("point", handler)

    def on_pick(self, handler: Callable[[list[int]], None]) -> None:
        """Call ``handler`` with the place that was clicked, or picked with Enter; NOWHERE on Escape."""
        self._on("pick", handler)

    def _on(self, event: str, handler: Callable[[list[int]], None]) -> None:
        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if event in content and content.get("version", self.version) == self.version:
                side, keypoint = content[event]
                handler([int(side), int(keypoint)])

        self.on_msg(heard)

    @T.observe("points")
    def _count(self, _: object) -> None:
        self.version += 1
