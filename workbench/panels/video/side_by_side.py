"""Two videos side by side: the similarities of their frames, and the path on which they are aligned."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import ipywidgets as W

from workbench.collections.video.moment import clock
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.engine.frame_alignment import FrameAlignment
from workbench.panels.base import Panel
from workbench.panels.formatting import plural
from workbench.panels.session import Session
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line

EDGES = ["query_start", "query_end", "start", "end"]


class Pair(NamedTuple):
    """The two videos, and the pipeline that describes their frames."""

    video: str
    second: str
    pipeline: str


class SideBySide(Panel[Pair, FrameAlignment]):
    """The frame-similarity matrix of two videos. ``on_segments`` is called with the aligned segments
    [start, end in the first, start, end in the second] in seconds, the strongest first."""

    lane, phase = "alignment", "Aligning two videos"

    def __init__(self, session: Session, on_segments: Callable[[list[list[float]]], None]) -> None:
        super().__init__(session)
        self.video = self.second = ""
        self._on_segments = on_segments
        self.lines = Text()
        self.plot = Plot(label="Similarity of the frames of two videos")
        head = W.Box([self.lines, Help("frame similarity")])
        head.add_class("wb-video-head")
        self.widget = W.VBox([head, self.plot])
        self.widget.layout.display = "none"

    def show(self, video: str, second: str) -> None:
        """Compare two videos; without a second one there is nothing to see."""
        if (video, second) != (self.video, self.second):
            self._on_segments([])
        self.video, self.second = video, second
        self.widget.layout.display = None if second else "none"
        self.refresh()

    def request(self) -> Pair | None:
        if not self.second or self.session.ranking is None:
            return None
        return Pair(self.video, self.second, self.session.pipeline)

    def dim(self, stale: bool) -> None:
        self.plot.stale = self.lines.stale = stale

    def compute(self, request: Pair, progress: Progress) -> FrameAlignment:
        video, second, pipeline = request
        return self.session.bench.videos.alignment(video, second, pipeline=pipeline, progress=progress)

    def render(self, result: FrameAlignment) -> None:
        segments = result.segments[EDGES].to_numpy(float).tolist()
        mirrored = result.mirrored and segments
        notes = [line("The second video is a mirrored copy.", "note")] if mirrored else []
        self.lines.lines = [line(_sentence(segments), "part"), *notes]
        self.plot.show(result.figure())
        self._on_segments(segments)

    def render_error(self, error: WorkbenchError) -> None:
        self.lines.lines = [line(str(error), "error")]
        self.plot.show(None)
        self._on_segments([])


def _sentence(segments: list[list[float]]) -> str:
    """The number of aligned segments, and where the strongest is."""
    if not segments:
        return "No segments of the two videos are alike"
    from_, to, start, end = map(clock, segments[0])
    several = "" if len(segments) == 1 else ", the strongest"
    count = plural(len(segments), "aligned segment")
    return f"{count}{several} from {from_} to {to} here, and from {start} to {end} in the second video"
