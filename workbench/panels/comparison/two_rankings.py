"""The rankings of one query under two pipelines, side by side."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import ipywidgets as W

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.evaluation.measures_text import percent
from workbench.panels.base import Panel
from workbench.panels.formatting import CROPPED
from workbench.panels.ranking_depth import rank
from workbench.panels.refinement import SET_ASIDE
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.rankings import FIRST, RankingPair, figures, overlap
from workbench.panels.widgets.region import Line, Text, line


class RankingsRequest(NamedTuple):
    """A query ranked by two pipelines."""

    a: str
    b: str
    query: Query
    box: Box | None
    setting: str  # of the AP
    refined: bool  # whether the session's ranking includes feedback or further queries


class Rankings(NamedTuple):
    """The query's picture (JPEG), the first results of both rankings, their APs, and how many both have."""

    request: RankingsRequest
    picture: bytes
    sides: tuple[list[Figure], list[Figure]]
    aps: tuple[float, float] | None
    shared: int


class TwoRankings(Panel[RankingsRequest, Rankings]):
    """The rankings of the session's query under A and under B, side by side."""

    lane, phase = "two rankings", "Ranking under A and B"

    def __init__(self, session: Session, setting: W.Dropdown) -> None:
        super().__init__(session)
        self._setting = setting
        self.picture = Grid(label="The query compared", look="single")
        self.words = Text()
        self.duel = RankingPair(empty="Choose A and B to see their rankings of the query side by side.")
        self.duel.on_pick(session.guard(lambda image: setattr(session, "image", image)))
        self.duel.current = session.image
        session.observe(session.guard(self.refresh), ["a", "b", *QUESTION])
        setting.observe(session.guard(self.refresh), "value")
        session.observe(session.guard(self.mark), "image")

    def mark(self, change: Any) -> None:
        self.duel.current = change["new"]

    def request(self) -> RankingsRequest | None:
        session = self.session
        query = session.queries.get(session.query)
        if not session.a or not session.b or query is None:
            return None
        more = self._setting.value or "", session.question.refined
        return RankingsRequest(session.a, session.b, query, session.box, *more)

    def dim(self, stale: bool) -> None:
        self.duel.stale = self.words.stale = self.picture.stale = stale

    def compute(self, request: RankingsRequest, progress: Progress) -> Rankings:
        bench, (a, b, query, box, setting, _) = self.session.bench, request
        first, second = (
            rank(bench, query.id, pipeline=pipeline, box=box, progress=progress) for pipeline in (a, b)
        )
        picture = thumbnail(bench, query.image, 320, box or query.box)
        sides = figures(first, second, bench), figures(second, first, bench)
        aps = [r.attrs.get(f"ap_{setting}", r.attrs.get("ap")) for r in (first, second)]
        known = None if None in aps else (float(aps[0]), float(aps[1]))  # type: ignore[arg-type]
        return Rankings(request, picture, sides, known, overlap(first, second))

    def render(self, result: Rankings) -> None:
        query, pipelines = result.request.query, (result.request.a, result.request.b)
        opens = reference(query.image, result.request.box or query.box)
        self.picture.figures = [
            {"picture": result.picture, "alt": f"query {query.id}", "name": query.id, "opens": opens}
        ]
        self.words.lines = _summary(result)
        self.duel.sides = [
            {"title": pipeline, "figures": side}
            for pipeline, side in zip(pipelines, result.sides, strict=True)
        ]


def _summary(result: Rankings) -> list[Line]:
    """The AP of the query under both, and the number of results that both rankings have."""
    request, shared = result.request, result.shared
    overlap = f"overlap@{FIRST} {percent(shared / FIRST)} %"
    lines = [line(f"{shared} of the first {FIRST} images are the same ({overlap})")]
    if result.aps is not None and not math.isnan(sum(result.aps)):
        text = f"AP {percent(result.aps[0])} under A, {percent(result.aps[1])} under B"
        cropped = request.box not in (None, request.query.box)
        lines.insert(0, line(text + (f", with {CROPPED}" if cropped else "")))
    return [*lines, line(SET_ASIDE, "note")] if request.refined else lines
