"""Timelines of videos: similarities to a query as heat strips, with hits and segments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.inferno import INFERNO
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"


class Timelines(Dimmed, anywidget.AnyWidget):
    """A row for each video, of which those in sight are drawn.

    ``rows`` are dicts of ``name``, ``seconds`` and ``count``, the number of moments; ``times`` are the
    seconds of all moments (float32), row by row, and ``values`` one byte each: 0 is not known, 1…255 is the
    range of ``scale`` (lowest, highest). ``order`` lists the numbers of the rows. ``hits`` are [number of the
    moment, rank, sign, relevance], the best first, ``segments`` dicts of ``video``, ``start`` and ``end``.
    """

    _parts = ("data", "legend", "line", "strip")
    _esm = dimmed_module("element", "floats", "clock", *(f"timeline_{part}" for part in _parts), "timelines")
    _css = _STATIC / "timelines.css"
    label = T.Unicode().tag(sync=True)  # for screen readers
    rows = T.List(T.Dict()).tag(sync=True)
    times = T.Bytes().tag(sync=True)
    values = T.Bytes().tag(sync=True)
    scale = T.List(T.Float()).tag(sync=True)
    colours = T.Bytes(INFERNO.tobytes()).tag(sync=True)  # of the values, RGB
    order = T.List(T.Int()).tag(sync=True)
    hits: T.List[Any] = T.List().tag(sync=True)
    segments = T.List(T.Dict()).tag(sync=True)
    current = T.Unicode().tag(sync=True)  # the name of the video that is shown
    beside = T.Unicode().tag(sync=True)  # and of the one beside it
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no row

    def on_seek(self, handler: Callable[[str, float], None]) -> None:
        """Call ``handler`` with the video and the time where a timeline was clicked."""
        self._on("seek", lambda content: handler(str(content["video"]), float(content["seek"])))

    def on_show(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the video whose name was clicked."""
        self._on("show", lambda content: handler(str(content["show"])))

    def on_beside(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the video to show beside the other one; empty: none."""
        self._on("beside", lambda content: handler(str(content["beside"])))

    def _on(self, kind: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self.on_msg(lambda _widget, content, _buffers: handler(content) if kind in content else None)
