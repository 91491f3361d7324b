"""Two pipelines compared: over all queries, and over one query."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Difference, paired_difference
from workbench.panels.ap_pairs import columns, paired, row
from workbench.panels.base import Panel
from workbench.panels.comparison import charts as versus_charts
from workbench.panels.comparison import queue
from workbench.panels.formatting import CROPPED, percent
from workbench.panels.refinement import SET_ASIDE
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.chart import Chart
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.rankings import FIRST, RankingPair, figures, overlap
from workbench.panels.widgets.region import Line, Text, line
from workbench.panels.widgets.table import Table


@dataclass(frozen=True)
class Request:
    """Two pipelines and a setting of the protocol; all evaluations are drawn as curves."""

    a: str
    b: str
    setting: str
    names: tuple[str, ...]
    evaluations: dict[str, Evaluation] = field(compare=False)


class Compared(NamedTuple):
    """The paired difference, and the AP of each query: query, a, b (fractions)."""

    request: Request
    difference: Difference
    pairs: pd.DataFrame


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
        refined = bool(session.also or session.refinement)
        setting = self._setting.value or ""
        return RankingsRequest(session.a, session.b, query, session.box, setting, refined)

    def dim(self, stale: bool) -> None:
        self.duel.stale = self.words.stale = self.picture.stale = stale

    def compute(self, request: RankingsRequest, progress: Progress) -> Rankings:
        bench, (a, b, query, box, setting, _) = self.session.bench, request
        first, second = (
            bench.search(query.id, pipeline=pipeline, box=box, k=None, progress=progress)
            for pipeline in (a, b)
        )
        picture = thumbnail(bench, query.image, 320, box or query.box)
        sides = figures(first, second, bench), figures(second, first, bench)
        aps = [r.attrs.get(f"ap_{setting}", r.attrs.get("ap")) for r in (first, second)]
        known = None if None in aps else (float(aps[0]), float(aps[1]))  # type: ignore[arg-type]
        return Rankings(request, picture, sides, known, overlap(first, second))

    def render(self, result: Rankings) -> None:
        name, pipelines = result.request.query.id, result.request[:2]
        self.picture.figures = [{"picture": result.picture, "alt": f"query {name}", "name": name}]
        self.words.lines = _summary(result)
        self.duel.sides = [
            {"title": pipeline, "figures": side}
            for pipeline, side in zip(pipelines, result.sides, strict=True)
        ]


class PairComparison(Panel[Request, Compared]):
    """The selects ``A`` and ``B``, their difference in words and by query, and two rankings of one query."""

    lane, phase, delay = "difference", "Comparing query by query", 0.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.a, self.b = W.Dropdown(description="A"), W.Dropdown(description="B")
        self.setting = W.Dropdown(description="Setting")
        self.sentence = Text(live=True)
        self.gains = Chart(label="AP of each query under A and B", x="queries, by B − A", y="AP, percent")
        self.curves = Chart(label="Precision over recall", x="recall, percent", y="precision, percent")
        self.queries = Table(
            label="AP of each query under A and B", columns=columns("AP, A", "AP, B", "B − A")
        )
        self.rankings = TwoRankings(session, self.setting)
        self.parts = (self.rankings,)

        selects, charts = W.Box([self.a, self.b, self.setting]), W.Box()
        charts.children = [self.gains, self.curves]
        self.evaluated = W.VBox([self.sentence, charts])
        query = W.VBox([self.rankings.picture, self.rankings.words, self.queries])
        rankings = W.Box([query, self.rankings.duel])
        self.widget = W.VBox([selects, self.evaluated, rankings])
        named = (selects, "selects"), (charts, "charts"), (query, "asked"), (rankings, "rankings")
        for box, name in (*named, (self.widget, "versus")):
            box.add_class(f"wb-{name}")

        guard = session.guard
        self._picked = {"a": guard(lambda c: self.pick("a", c)), "b": guard(lambda c: self.pick("b", c))}
        for side, select in (("a", self.a), ("b", self.b)):
            select.observe(self._picked[side], "value")
        self.setting.observe(guard(self.refresh), "value")
        self.queries.on_pick(guard(session.choose))
        self.gains.on_pick(guard(session.choose))
        session.observe(guard(self.offer), ["compared", "evaluations", "a", "b"])
        session.observe(guard(self.refresh), ["compared", "evaluations", "a", "b", "query"])
        self.offer(None)
        self.refresh()
        self.rankings.refresh()

    def pick(self, side: str, change: Any) -> None:
        """A pipeline was selected; if it was the other side's, the two change places."""
        session, new = self.session, change["new"]
        if new is None or new == getattr(session, side):
            return
        other = "b" if side == "a" else "a"
        if new == getattr(session, other):
            setattr(session, other, getattr(session, side))
        setattr(session, side, new)

    def offer(self, _: object) -> None:
        """Offer the pipelines and settings that can be compared."""
        session = self.session
        with session.lock:
            failed = [p for p, e in session.evaluations.items() if not isinstance(e, Evaluation)]
            names = [p for p in session.compared if p not in failed]
            for side, select in (("a", self.a), ("b", self.b)):
                value = getattr(session, side)
                # New options make a select fall back to its first option, which the user did not choose.
                select.unobserve(self._picked[side], "value")
                if list(select.options) != names:
                    select.options = names
                select.value = value if value in names else None
                select.observe(self._picked[side], "value")
            protocol = session.bench.collection.protocol
            settings = list(protocol.settings) if protocol else [""]
            if list(self.setting.options) != settings:
                self.setting.options = settings
                self.setting.value = protocol.headline if protocol and len(settings) > 1 else settings[0]
            self.setting.layout.display = None if len(settings) > 1 else "none"
            self.widget.layout.display = None if session.a and session.b else "none"

    def refresh(self, _: object = None) -> None:
        self.queries.chosen = [self.session.query]
        self.gains.current = self.session.query
        super().refresh()

    def request(self) -> Request | None:
        session, evaluations = self.session, queue.evaluated(self.session)
        if session.a not in evaluations or session.b not in evaluations:
            return None
        return Request(session.a, session.b, self.setting.value or "", tuple(evaluations), evaluations)

    def dim(self, stale: bool) -> None:
        for part in (self.sentence, self.gains, self.curves, self.queries):
            part.stale = stale

    def compute(self, request: Request, progress: Progress) -> Compared:
        pairs = paired(request.evaluations[request.a], request.evaluations[request.b], request.setting)
        progress("Comparing query by query", 0, 0)
        difference = paired_difference(pairs["a"], pairs["b"])
        gains = (pairs["b"] - pairs["a"]).sort_values(kind="stable")
        return Compared(request, difference, pairs.loc[gains.index])

    def render(self, result: Compared) -> None:
        request, difference, pairs = result
        evaluations, setting = request.evaluations, request.setting
        order = sorted(evaluations, key=lambda p: -evaluations[p].mean_ap)
        curves = {p: evaluations[p].curves[setting] for p in order if setting in evaluations[p].curves}
        self.sentence.lines = [line(difference.sentence(), "numbers")]
        self.gains.columns = versus_charts.columns(pairs)
        self.curves.lines = versus_charts.lines(curves, request.a, request.b, short_names(order))
        self.queries.rows = [row(*pair) for pair in pairs.itertuples(index=False)]

    def render_nothing(self) -> None:
        self.evaluated.layout.display = self.queries.layout.display = "none"

    def update(self) -> None:
        self.evaluated.layout.display = self.queries.layout.display = None


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


def short_names(pipelines: list[str]) -> dict[str, str]:
    """The pipelines without their backbone, if all have the same."""
    backbones = {Config.parse(p).backbone for p in pipelines}
    common = f"{backbones.pop()}/" if len(backbones) == 1 else ""
    return {p: p.removeprefix(common) for p in pipelines}
