"""Ranked moments as ranked shots or videos: the best moment of each stands for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Collection
from workbench.collections.video.moment import seconds_of, video_of
from workbench.common.progress import Progress
from workbench.engine.moment_search import RELEVANCE
from workbench.panels.base import Panel
from workbench.panels.formatting import plural
from workbench.panels.moment_captions import Starts, moment_caption, shot_number, starts_of
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Scroll

MOMENTS, SHOTS, VIDEOS = GROUPS = ("moments", "shots", "videos")
GroupKey = tuple[str, int]
_CAPTIONS = 1000  # results whose captions are written again
_FIRST = 200  # results whose shots are shown where they are stored


class Wanted(NamedTuple):
    """The videos whose shots are not known, and whether they are to be detected."""

    videos: tuple[str, ...]
    detect: bool


class Groups(Panel[Wanted, dict[str, Any]]):
    """The select ``Group``, which collections of videos have, and the shots that it needs.

    ``draw`` is called when the ranking is to be drawn again.
    """

    lane, phase, delay = "result shots", "Detecting shots", 0.0

    def __init__(self, session: Session, draw: Callable[[object], None], grid: Scroll) -> None:
        super().__init__(session)
        self._draw, self._grid = draw, grid
        self._missing: set[str] = set()  # videos whose shots are not stored
        self.select = W.Dropdown(description="Group", options=GROUPS)
        self.select.layout.display = None if session.bench.collection.videos else "none"
        self.select.observe(session.guard(self._regroup), "value")
        session.observe(session.guard(self.refresh), "ranking")
        session.observe(session.guard(self._learn), "shots")

    @property
    def value(self) -> str:
        return str(self.select.value)

    def request(self) -> Wanted | None:
        ranking, collection = self.session.ranking, self.session.bench.collection
        if ranking is None or not collection.videos:
            return None
        known = self.session.shots
        if self.value == SHOTS:
            return Wanted(tuple(video for video in collection.videos if video not in known), True)
        first = dict.fromkeys(video_of(image) for image in ranking["image_id"].head(_FIRST))
        videos = [video for video in first if video and video not in known and video not in self._missing]
        return Wanted(tuple(videos), False)

    def compute(self, request: Wanted, progress: Progress) -> dict[str, Any]:
        if not request.videos:
            return {}
        videos = self.session.bench.videos
        return starts_of(
            videos.shots(progress=progress) if request.detect else videos.stored_shots(request.videos)
        )

    def render(self, result: dict[str, Any]) -> None:
        if result:
            self.session.shots = {**self.session.shots, **result}
            if self.value == SHOTS:
                self._draw(None)

    def update(self) -> None:
        request = self.rendered
        if request is not None and not request.detect:
            self._missing |= {*request.videos} - {*self.session.shots}

    def _learn(self, change: Any) -> None:
        """Write the shots of further videos into the captions on screen; a new drawing would scroll back."""
        ranking = self.session.ranking
        if ranking is None:
            return
        fresh = {video for video, starts in change["new"].items() if change["old"].get(video) != starts}
        images = [image for image in ranking["image_id"].head(_CAPTIONS) if video_of(image) in fresh]
        if images:
            self._grid.send({"captions": {image: moment_caption(image, change["new"]) for image in images}})

    def _regroup(self, change: Any) -> None:
        self._draw(None)
        self.refresh()

    def grouped(self, reached: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        """The first of the ``rows`` of each group; ``rank`` is that of the group among those of ``reached``,
        ``members`` the number of its moments there, and ``relevance`` the best one of its rows."""
        if self.value == MOMENTS or not len(rows):
            return rows
        collection, starts = self.session.bench.collection, self.session.shots
        reached_keys = group_keys(reached["image_id"].tolist(), self.value, collection, starts)
        members = Counter(reached_keys)  # in the order of the ranking
        ranks = {key: rank for rank, key in enumerate(members, 1)}
        first: dict[GroupKey, int] = {}
        best: dict[GroupKey, str] = {}
        keys = group_keys(rows["image_id"].tolist(), self.value, collection, starts)
        for place, (key, grade) in enumerate(zip(keys, rows["relevance"].tolist(), strict=True)):
            first.setdefault(key, place)
            best[key] = min(best.get(key, grade), grade, key=RELEVANCE.index)
        groups = rows.iloc[list(first.values())].copy()
        groups["rank"] = [ranks.get(key, 0) for key in first]
        groups["relevance"] = list(best.values())
        groups["members"] = [members[key] for key in first]
        return groups

    def captioned(self, row: Any, shown: Figure) -> Figure:
        """A figure of a group: in place of the places that it moved, the number of its moments."""
        members = getattr(row, "members", 0)
        if self.value == MOMENTS or not members or not video_of(row.image_id):
            return shown
        return {**shown, "moved": "", "members": plural(members, "moment")}


def group_keys(images: Sequence[str], group: str, collection: Collection, starts: Starts) -> list[GroupKey]:
    """A key for each image: those of one video, or of one shot, have the same. An image that is no moment,
    or whose shot is not known, is a group of its own."""
    videos = {moment: video for video, moments in collection.videos.items() for moment in moments}
    keys = []
    for image in images:
        video = videos.get(image, "")
        if group == VIDEOS and video:
            keys.append((video, -1))
        elif group == SHOTS and video in starts:
            keys.append((video, shot_number(starts[video], seconds_of(image))))
        else:
            keys.append((image, -2))
    return keys
