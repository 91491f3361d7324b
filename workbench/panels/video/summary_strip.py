"""The summary of a video, or of all, as a strip of moments whose number is chosen by a slider."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import ipywidgets as W

from workbench.analysis.summary import Summary
from workbench.collections.video.moment import clock, seconds_of, video_of
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.session import Session
from workbench.panels.video.cues import cue_files
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.grid import Scroll, thumbnail
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.region import Text, line
from workbench.panels.widgets.sliders import Numbers

COUNTS = tuple(range(1, 31))
FIRST = 8
THIS, ALL = "this video", "all videos"


class Wanted(NamedTuple):
    """The video (None: all), the number of moments and the pipeline of their descriptors."""

    video: str | None
    moments: int
    pipeline: str


class SummaryStrip(Panel[Wanted, Summary]):
    """The moments that a summary chooses; ``on_pick`` is called with the moment that was clicked."""

    lane, phase = "summary", "Choosing the moments of the summary"

    def __init__(self, session: Session, on_pick: Callable[[str], None]) -> None:
        super().__init__(session)
        self.video, self.count = "", FIRST
        self._on_pick = on_pick
        self.of = W.Dropdown(description="Summary of", options=(THIS, ALL))
        self.slider = Numbers()
        self._set_slider()
        self.lines = Text()
        self.download = Download()
        self.grid = Scroll(
            partial(thumbnail, session.bench), session.fail, label="Summary", look="ranked", size="small"
        )
        head = W.Box([self.of, self.slider, self.lines, Help("summary"), self.download])
        head.add_class("wb-video-head")
        self.widget = W.VBox([head, self.grid])
        self.widget.add_class("wb-summary-strip")
        self.of.observe(session.guard(self.refresh), "value")
        self.slider.on_change(lambda _number, at: session.guard(lambda _: self._choose(at))(None))
        self.grid.observe(session.guard(self._picked), "current")

    def show(self, video: str) -> None:
        """Show the summary of a video."""
        self.video = video
        self.refresh()

    def request(self) -> Wanted | None:
        if not self.video or self.session.ranking is None:  # the moments are not described yet
            return None
        return Wanted(None if self.of.value == ALL else self.video, self.count, self.session.pipeline)

    def dim(self, stale: bool) -> None:
        self.grid.stale = self.lines.stale = stale

    def compute(self, request: Wanted, progress: Progress) -> Summary:
        video, count, pipeline = request
        return self.session.bench.videos.summary(video, k=count, pipeline=pipeline, progress=progress)

    def render(self, result: Summary) -> None:
        self.lines.lines = [line(result.sentence, "note")]
        title = f"{result.video or result.collection} summary"
        self.download.offer(cue_files(self.session.bench, title, lambda: result.cues))
        figures = [
            {
                "name": name,
                "caption": clock(seconds_of(name)) + ("" if result.video else f" · {video_of(name)}"),
                "alt": f"moment {clock(seconds_of(name))} of {video_of(name)}",
            }
            for name in result.moments
        ]
        self.grid.show(len(figures), lambda start, stop: figures[start:stop])

    def render_error(self, error: WorkbenchError) -> None:
        self.lines.lines = [line(str(error), "error")]
        self.download.offer({})
        self.grid.show(0, lambda start, stop: [])

    def _set_slider(self) -> None:
        values = [str(count) for count in COUNTS]
        slider = {"label": "Moments of the summary", "name": "moments", "values": values}
        self.slider.sliders = [{**slider, "at": COUNTS.index(self.count)}]

    def _choose(self, at: int) -> None:
        self.count = COUNTS[at]
        self._set_slider()
        self.refresh()

    def _picked(self, change: Any) -> None:
        if change["new"]:
            self._on_pick(change["new"])
