"""What one re-ranker does to one query: its ranking before and after, and the matches of one pair."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets as W

from workbench.analysis.reranking import NONE
from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.evaluation.measures_text import percent
from workbench.local.geometry import Geometry
from workbench.local.matching import Match
from workbench.panels.base import Panel
from workbench.panels.matched_pictures import MatchRequest, traits
from workbench.panels.ranking_depth import rank
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.grid import Figure
from workbench.panels.widgets.keypoint_pairs import KeyPairs
from workbench.panels.widgets.rankings import RankingPair, figures
from workbench.panels.widgets.region import Line, Text, line


class Request(NamedTuple):
    """A query and an image, the pipeline without re-ranking, and the method behind it."""

    query: Query
    box: Box | None
    image: str
    pipeline: str
    method: str


class Effect(NamedTuple):
    """The first results before and after, the AP of both, and the match of the pair."""

    request: Request
    sides: tuple[list[Figure], list[Figure]]
    aps: tuple[float | None, float | None]
    match: Match
    traits: dict[str, Any]


class MethodEffect(Panel[Request, Effect]):
    """The session's query without re-ranking and with a method, and its matches with one image."""

    lane, phase = "re-ranker", "Ranking before and after"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.outdated = False  # whether the method was measured for another pipeline
        self._shown: tuple[str, str] | None = None  # pipeline and method
        self.words = Text()
        self.rankings = RankingPair(names=["before", "after"], empty="Pick a method in the table.")
        self.view = KeyPairs(empty="Pick a result or an example to see its matches.")
        self.widget = W.VBox([self.words, self.rankings, self.view])
        guard = session.guard
        self.rankings.on_pick(guard(lambda image: setattr(session, "image", image)))
        session.observe(guard(self.refresh), ["image", "ranking"])
        self.watch_question()

    def show(self, pipeline: str, method: str) -> None:
        """Show what a method changes behind a pipeline."""
        self._shown = pipeline, method
        self.refresh()

    def request(self) -> Request | None:
        session = self.session
        if self._shown is None or session.ranked is None or not session.ranked.query:
            return None
        query = session.query_named(session.ranked.query)
        image = session.image if session.image in session.images else first_result(session.ranking, query)
        return Request(query, session.ranked.box, image, *self._shown) if image else None

    def dim(self, stale: bool) -> None:
        for part in (self.words, self.rankings, self.view):
            part.stale = stale or self.outdated

    def compute(self, request: Request, progress: Progress) -> Effect:
        bench, query = self.session.bench, request.query
        after = request.pipeline if request.method == NONE else f"{request.pipeline}/{request.method}"
        first, second = (
            rank(bench, query.id, pipeline=pipeline, box=request.box, progress=progress)
            for pipeline in (request.pipeline, after)
        )
        match = bench.match(query.id, request.image, pipeline=after, box=request.box, progress=progress)
        pair = MatchRequest(query, request.box, request.image, after)
        return Effect(
            request,
            (figures(first, second, bench), figures(second, first, bench)),
            (first.attrs.get("ap"), second.attrs.get("ap")),
            match,
            traits(bench, pair, match),
        )

    def render(self, result: Effect) -> None:
        request = result.request
        titles = "without re-ranking", request.method
        self.rankings.sides = [
            {"title": title, "figures": side} for title, side in zip(titles, result.sides, strict=True)
        ]
        self.rankings.current = request.image
        with self.view.hold_sync():
            for name, value in result.traits.items():
                setattr(self.view, name, value)
        self.words.lines = _summary(result)


def _summary(result: Effect) -> list[Line]:
    """The AP of the query before and after, and the outcome of the pair."""
    request, match = result.request, result.match
    config = Config.parse(f"{request.pipeline}/{request.method}".removesuffix(f"/{NONE}"))
    lines = [line(f"{request.query.id}: {request.method}", "part")]
    if None not in result.aps:
        before, after = (percent(float(value)) for value in result.aps if value is not None)
        lines.append(line(f"AP {before} before, {after} after", "numbers"))
    model = f"{Geometry.parse(config.geometry).title} of {config.local}"
    pair = f"{request.query.id} and {request.image}, by the {model}"
    return [*lines, line(f"{pair}: {match.outcome}", "note", "inliers", "ratio test")]
