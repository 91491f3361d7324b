"""The shots of the video that is shown, as a storyboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.video.moment import clock, moment_name, seconds_of
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.formatting import plural
from workbench.panels.session import Session
from workbench.panels.video.cues import cue_files
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.grid import Figure, Scroll, thumbnail
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.region import Text, line
from workbench.report.cue_files import shot_cues

AUTOMATIC = 600.0  # seconds: the shots of a longer video are detected when asked for
EVEN = 24  # moments that stand for a video whose shots are not known


class Shown(NamedTuple):
    """The video, and whether its shots are detected, however long that takes."""

    video: str
    detect: bool


class Storyboard(Panel[Shown, pd.DataFrame]):
    """A picture of each shot, with its number, its interval and its best similarity to the query.

    ``shots`` is the table of the shots that are shown, None while they are not known. ``on_shots`` is called
    when it changes, ``on_pick`` with the time of a shot that was chosen.
    """

    lane, phase, delay = "shots", "Detecting shots", 0.0

    def __init__(
        self,
        session: Session,
        on_shots: Callable[[pd.DataFrame | None], None],
        on_pick: Callable[[float], None],
    ) -> None:
        super().__init__(session)
        self.video, self.length = "", 0.0
        self.shots: pd.DataFrame | None = None
        self._moments: tuple[str, ...] = ()
        self._scores = np.empty(0)
        self._asked: set[str] = set()  # long videos whose shots are wanted
        self._on_shots, self._on_pick = on_shots, on_pick
        self.lines = Text()
        self.detect = W.Button(description="Detect shots", tooltip="Detect the shots of this long video")
        self.download = Download()
        self.grid = Scroll(
            partial(thumbnail, session.bench), session.fail, label="Storyboard", look="ranked", size="small"
        )
        head = W.Box([self.lines, Help("shot"), self.detect, self.download])
        head.add_class("wb-video-head")
        self.widget = W.VBox([head, self.grid])
        self.widget.add_class("wb-storyboard")
        self.detect.on_click(session.guard(self._detect_long))
        self.grid.observe(session.guard(self._picked), "current")

    def show(self, video: str, length: float, moments: tuple[str, ...], scores: np.ndarray) -> None:
        """Show the shots of a video: its moments, and their scores [n] (NaN: none) for the query."""
        self._moments, self._scores = moments, scores
        if video != self.video:
            self.video, self.length = video, length
            self._set(None)
        else:
            self.draw()
        self.refresh()

    def request(self) -> Shown | None:
        if not self.video:
            return None
        return Shown(self.video, self.length <= AUTOMATIC or self.video in self._asked)

    def compute(self, request: Shown, progress: Progress) -> pd.DataFrame:
        videos = self.session.bench.videos
        if not request.detect:
            return videos.stored_shots([request.video])
        return videos.shots(request.video, progress=progress)

    def render(self, result: pd.DataFrame) -> None:
        if len(result) and result["video"].iloc[0] == self.video:
            self._set(result)
        else:
            self.draw()

    def render_error(self, error: WorkbenchError) -> None:
        self.lines.lines = [line(str(error), "error")]

    def mark(self, seconds: float) -> None:
        """Mark the shot of a time."""
        if self.shots is not None and self.grid.figures:
            number = int(np.searchsorted(self.shots["start"].to_numpy(float), seconds + 0.005, "right")) - 1
            names = [figure["name"] for figure in self.grid.figures]
            self._marking = True
            self.grid.current = names[number] if 0 <= number < len(names) else ""
            self._marking = False

    _marking = False  # while the mark is set, not picked

    def _detect_long(self, _: object) -> None:
        self._asked.add(self.video)
        self.refresh()

    def _picked(self, change: Any) -> None:
        if not self._marking and change["new"]:
            self._on_pick(seconds_of(change["new"]))

    def _set(self, shots: pd.DataFrame | None) -> None:
        self.shots = shots
        self.draw()
        self._on_shots(shots)

    def draw(self) -> None:
        """Draw the shots, or evenly spaced moments while they are not known."""
        shots, known = self.shots, self.shots is not None
        waits = not known and self.length > AUTOMATIC and self.video not in self._asked
        self.detect.layout.display = None if waits else "none"
        if shots is None:
            self.download.offer({})
            count = min(EVEN, len(self._moments))
            even = [
                self._moments[i] for i in np.linspace(0, len(self._moments) - 1, count).round().astype(int)
            ]
            why = "shots are not detected yet" if waits else "shots are being detected …"
            self.lines.lines = [
                line(f"Storyboard: {plural(count, 'moment')} at even distances; {why}", "part")
            ]
            figures = [_figure(name, name, clock(seconds_of(name)), "", "") for name in even]
        else:
            self.lines.lines = [line(f"Storyboard: {plural(len(shots), 'shot')}", "part")]
            self.download.offer(
                cue_files(self.session.bench, f"{self.video} shots", lambda: shot_cues(shots))
            )
            figures = self._figures(shots)
        self.grid.show(len(figures), lambda start, stop: figures[start:stop])

    def _figures(self, shots: pd.DataFrame) -> list[Figure]:
        times = np.array([seconds_of(name) for name in self._moments])
        figures, used = [], set[str]()
        for number, start, end, keyframe in shots[["shot", "start", "end", "keyframe"]].to_numpy().tolist():
            inside = self._scores[(times >= start - 0.005) & (times < end)]
            inside = inside[np.isfinite(inside)]
            # Two short shots may have one nearest moment; the second is then shown by its own middle.
            name = moment_name(self.video, (start + end) / 2) if keyframe in used else keyframe
            used.add(name)
            score = f"{inside.max():.3f}" if len(inside) else ""
            figures.append(_figure(name, keyframe, f"{clock(start)} – {clock(end)}", str(number), score))
        return figures


def _figure(name: str, opens: str, caption: str, rank: str, score: str) -> Figure:
    alt = f"shot {rank}, {caption}" if rank else f"moment {caption}"
    return {"name": name, "opens": opens, "caption": caption, "rank": rank, "score": score, "alt": alt}
