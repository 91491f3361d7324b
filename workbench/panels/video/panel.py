"""The videos of a collection: timelines of their similarity to the query, a player, shots and a summary."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import Collection
from workbench.collections.video.moment import seconds_of, video_of
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.lanes import RANKING
from workbench.panels.moment_captions import starts_of
from workbench.panels.session import Session
from workbench.panels.video.answer import Answer, Request
from workbench.panels.video.file_server import served_videos
from workbench.panels.video.frames import frames_of
from workbench.panels.video.lines import NONE, WAITING, summary
from workbench.panels.video.moments import Moments, Strips
from workbench.panels.video.side_by_side import SideBySide
from workbench.panels.video.storyboard import Storyboard
from workbench.panels.video.summary_strip import SummaryStrip
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.player import Player
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.timelines import Timelines


class VideoPanel(Panel[Request, Answer]):
    """Timelines of all videos, and the player of one of them; a frame becomes the session's image."""

    lane, phase = "timelines", "Comparing moments with the query"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._moments: tuple[Collection | None, Moments] = None, Moments({})
        self._scores: np.ndarray | None = None
        self.lines = Text(lines=[line(WAITING, "note")], live=True)
        self.timelines = Timelines(label="Timelines of the videos")
        frame = frames_of(session.bench)
        self.player, self.second = Player(frame), Player(frame)
        players = W.Box([self.player, self.second])
        players.add_class("wb-players")
        top = W.Box([players, self.timelines])
        top.add_class("wb-video-top")
        head = W.Box([self.lines, Help("timeline", "moment")])
        head.add_class("wb-video-head")
        self.storyboard = Storyboard(session, self._take_shots, self._seek_here)
        self.summary = SummaryStrip(session, self._seek_moment)
        self.pair = SideBySide(session, self._take_segments)
        self.parts = (self.storyboard, self.summary, self.pair)
        self.body = W.VBox([top, self.pair.widget, self.storyboard.widget, self.summary.widget])
        self.body.add_class("wb-video-body")
        self.widget = region("Video", head, self.body)
        guard = session.guard

        def guarded(act: Callable[..., None]) -> Callable[..., None]:
            return lambda *arguments: guard(lambda _: act(*arguments))(None)

        self.timelines.on_seek(guarded(self.seek))
        self.timelines.on_show(guarded(self.show_best))
        self.timelines.on_beside(guarded(self.show_beside))
        self.player.on_seek(guarded(self._seek_in_player))
        session.observe(guard(self.refresh), "ranking")
        session.observe(guard(self.follow), "image")
        self.watch_question()
        self.watch_folding()
        self.refresh()

    # -- timelines

    def request(self) -> Request | None:
        collection = self.session.bench.collection
        return Request(self.session.ranking, collection) if collection.videos else None

    def dim(self, stale: bool) -> None:
        stale = stale or (self.session.ranking is not None and not self.session.answered)
        self.timelines.stale = self.storyboard.grid.stale = stale

    def compute(self, request: Request, progress: Progress) -> Answer:
        collection, moments = self._moments
        if collection is not request.collection:
            from workbench.collections.video.header import known_lengths  # OpenCV, which images do not need

            collection = request.collection
            paths = {video: collection.path(video) for video in collection.videos}
            moments = Moments(collection.videos, known_lengths(paths))
        ranking = request.ranking
        if ranking is None:
            return Answer(moments, None, None)
        scores = moments.scores(ranking)
        return Answer(moments, scores, moments.strips(ranking, scores))

    def render_nothing(self) -> None:
        self.body.layout.display = "none"
        self.lines.lines = [line(NONE)]

    def render_error(self, error: WorkbenchError) -> None:
        self.lines.lines = [line(str(error), "error")]

    def render(self, result: Answer) -> None:
        moments, self._scores, strips = result
        self.body.layout.display = None
        fresh = self._moments[1] is not moments
        self._moments = self.session.bench.collection, moments
        with self.timelines.hold_sync():
            if fresh:
                self.timelines.rows, self.timelines.times = moments.rows(), moments.times.tobytes()
            if strips is not None:
                self.timelines.values, self.timelines.scale = strips.values, strips.scale
                self.timelines.order, self.timelines.hits = strips.order, strips.hits
        self.lines.lines = summary(moments, strips, RANKING in self.session.jobs)
        if self._chosen and self.player.video in moments.videos:
            self._show_parts()
        else:
            self._show_first(moments, strips)

    def _show_first(self, moments: Moments, strips: Strips | None) -> None:
        """Show the image under study if it is a moment, else the best result, else the first video."""
        image = self.session.image
        if video_of(image) in moments.videos:
            self.show(video_of(image), seconds_of(image))
        elif strips is not None and strips.hits:
            best = next((hit for hit in strips.hits if hit[3] != "query"), strips.hits[0])
            name = moments.names[best[0]]
            self.show(video_of(name), seconds_of(name))
            self.player.picture = name
            self._show_parts()
        else:
            self.show(next(iter(moments.videos)), 0.0)

    # -- the video that is shown

    def show(self, video: str, seconds: float) -> None:
        """Show a video at a time."""
        if video == self.player.video:
            self.player.go(seconds)
            return
        self._load(self.player, video, seconds)
        self.timelines.current = video
        if video == self.second.video:
            self.show_beside("")
        self._show_parts()

    def _show_parts(self) -> None:
        """Show storyboard, summary and alignment of the video that is shown."""
        moments, video = self._moments[1], self.player.video
        part = moments.of(video)
        scores = np.full(part.stop - part.start, np.nan) if self._scores is None else self._scores[part]
        self.storyboard.show(video, moments.length(video), tuple(moments.names[part]), scores)
        self.summary.show(video)
        self.pair.show(video, self.second.video)

    def _take_shots(self, shots: pd.DataFrame | None) -> None:
        """The shots of the video are known, or are not."""
        self.player.shots = [] if shots is None else shots[["start", "end"]].to_numpy(float).tolist()
        if shots is not None:
            self.session.shots = {**self.session.shots, **starts_of(shots)}
            self.storyboard.mark(seconds_of(self.player.picture))

    def _take_segments(self, segments: list[list[float]]) -> None:
        """The segments of the two videos that are alike are known."""
        video, second = self.player.video, self.second.video
        self.second.leader, self.second.follows = video, segments
        self.timelines.segments = [
            {"video": name, "start": segment[at], "end": segment[at + 1]}
            for segment in segments
            for name, at in ((video, 0), (second, 2))
        ]

    def _seek_in_player(self, video: str, seconds: float) -> None:
        """A user stopped at a time; of a video that was left meanwhile this comes too late."""
        if video == self.player.video:
            self.seek(video, seconds)

    def _seek_here(self, seconds: float) -> None:
        """A shot of the storyboard was chosen."""
        self.player.go(seconds)
        self.seek(self.player.video, seconds)

    def _seek_moment(self, moment: str) -> None:
        """A moment of the summary was chosen."""
        self.show(video_of(moment), seconds_of(moment))
        self.seek(video_of(moment), seconds_of(moment))

    def _load(self, player: Player, video: str, seconds: float) -> None:
        moments = self._moments[1]
        if not video:
            player.load("", "", 0.0, [])
            return
        player.load(
            video,
            served_videos(self.session.bench).address(video),
            moments.length(video),
            moments.times[moments.of(video)],
            seconds,
        )
        player.picture = moments.nearest(video, seconds)

    def seek(self, video: str, seconds: float) -> None:
        """A user went to a time: its moment becomes the image under study."""
        moments, self._chosen = self._moments[1], True
        if video not in moments.videos:
            return
        if video != self.player.video:
            self.show(video, seconds)
        moment = moments.nearest(video, seconds)
        self.player.picture = moment
        self._sought = moment
        self.storyboard.mark(seconds)
        self.session.image = moment

    _chosen = False  # whether a user went to a time; until then the best result is shown
    _sought = ""  # the moment of the last seek, to which the player needs not move

    def follow(self, _: object) -> None:
        """The image under study has changed: go to it."""
        image, moments = self.session.image, self._moments[1]
        if image == self._sought or self.folded:
            return
        self._sought = ""
        if video_of(image) in moments.videos:
            self._chosen = True
            self.show(video_of(image), seconds_of(image))
            self.player.picture = image
            self.storyboard.mark(seconds_of(image))

    def show_best(self, video: str) -> None:
        """The name of a video was clicked: show its best moment."""
        moments = self._moments[1]
        if video not in moments.videos:
            return
        part = moments.of(video)
        first = 0 if self._scores is None else int(np.nan_to_num(self._scores[part], nan=-np.inf).argmax())
        seconds = float(moments.times[part][first])
        self.show(video, seconds)
        self.seek(video, seconds)

    def show_beside(self, video: str) -> None:
        """Show another video beside the first; empty: none."""
        self.timelines.beside = video
        self._load(self.second, video, 0.0)
        self.pair.show(self.player.video, video)
