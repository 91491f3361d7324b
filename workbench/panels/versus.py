"""Two pipelines held against each other: over all queries, and over one."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import pandas as pd

from workbench.config import Config
from workbench.evaluation.comparison import paired_difference
from workbench.judging import Evaluation
from workbench.panels import contest, versus_charts
from workbench.panels.results import percent
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.widgets.chart import Chart
from workbench.panels.widgets.duel import FIRST, Duel, figures, overlap
from workbench.panels.widgets.grid import Grid, thumbnail
from workbench.panels.widgets.region import Text, line
from workbench.panels.widgets.table import Table, column
from workbench.progress import Progress

QUERIES, RANKINGS = "difference", "two rankings"  # lanes


class Versus:
    """The selects ``A`` and ``B``, their difference in words and by query, and their rankings of one."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._drawn: Any = None  # what the charts show
        self._shown: Any = None  # what the rankings show
        self.a, self.b = W.Dropdown(description="A"), W.Dropdown(description="B")
        self.setting = W.Dropdown(description="Setting")
        self.sentence = Text(live=True)
        self.gains = Chart(label="AP of each query under A and B", x="queries, by B − A", y="AP, percent")
        self.curves = Chart(label="Precision over recall", x="recall, percent", y="precision, percent")
        self.queries = Table(label="AP of each query under A and B", columns=_COLUMNS)
        self.picture = Grid(label="The query compared", look="single")
        self.words = Text()
        self.duel = Duel(empty="Choose A and B to see their rankings of the query side by side.")

        selects, charts = W.Box([self.a, self.b, self.setting]), W.Box()
        charts.children = [self.gains, self.curves]
        self.judged = W.VBox([self.sentence, charts])
        asked = W.VBox([self.picture, self.words, self.queries])
        rankings = W.Box([asked, self.duel])
        self.widget = W.VBox([selects, self.judged, rankings])
        named = (selects, "selects"), (charts, "charts"), (asked, "asked"), (rankings, "rankings")
        for box, name in (*named, (self.widget, "versus")):
            box.add_class(f"wb-{name}")

        guard = session.guard
        self._picked = {"a": guard(lambda c: self.pick("a", c)), "b": guard(lambda c: self.pick("b", c))}
        for side, select in (("a", self.a), ("b", self.b)):
            select.observe(self._picked[side], "value")
        self.setting.observe(guard(self.draw), "value")
        self.queries.on_pick(guard(session.choose))
        self.gains.on_pick(guard(session.choose))
        self.duel.on_pick(guard(lambda image: setattr(session, "image", image)))
        session.observe(guard(self.offer), ["compared", "evaluations", "a", "b"])
        session.observe(guard(self.draw), ["compared", "evaluations", "a", "b", "query"])
        session.observe(guard(self.rank), ["a", "b", "query", "box"])
        session.observe(guard(lambda change: setattr(self.duel, "current", change["new"])), "image")
        self.duel.current = session.image
        self.offer(None)
        self.draw(None)
        self.rank(None)

    def pick(self, side: str, change: Any) -> None:
        """A pipeline was selected; one chosen for both sides changes places."""
        session, new = self.session, change["new"]
        if new is None or new == getattr(session, side):
            return
        other = "b" if side == "a" else "a"
        if new == getattr(session, other):
            setattr(session, other, getattr(session, side))
        setattr(session, side, new)

    def offer(self, _: object) -> None:
        """Bring the selects in line with what can be compared."""
        session = self.session
        with session.lock:
            failed = [p for p, found in session.evaluations.items() if not isinstance(found, Evaluation)]
            names = [p for p in session.compared if p not in failed]
            for side, select in (("a", self.a), ("b", self.b)):
                value = getattr(session, side)
                # New options make a select fall back to its first, which nobody chose.
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

    def draw(self, _: object) -> None:
        """Show sentence, charts and the list of queries."""
        self.queries.chosen = [self.session.query]
        self.gains.current = self.session.query
        self.session.run(QUERIES, self._draw)

    def rank(self, _: object) -> None:
        """Show both rankings of the session's query."""
        session = self.session
        self.duel.stale = self._shown != (session.a, session.b, session.query, session.box)
        if session.a and session.b:
            session.run(RANKINGS, self._rank, DEBOUNCE)

    def _draw(self, progress: Progress) -> None:
        session, setting = self.session, self.setting.value or ""
        found = contest.evaluated(session)
        first, second = found.get(session.a), found.get(session.b)
        self.judged.layout.display = "none" if first is None or second is None else None
        self.queries.layout.display = self.judged.layout.display
        if first is None or second is None:
            return
        key = first.pipeline, second.pipeline, setting, tuple(found)
        if key == self._drawn:
            return
        pairs = paired(first, second, setting)
        progress("Comparing query by query", 0, 0)
        difference = paired_difference(pairs["a"], pairs["b"])
        gains = (pairs["b"] - pairs["a"]).sort_values(kind="stable")
        pairs = pairs.loc[gains.index]
        order = sorted(found, key=lambda p: -found[p].mean_ap)
        curves = {p: found[p].curves[setting] for p in order if setting in found[p].curves}
        progress("Comparing query by query", 1, 1)
        self.sentence.lines = [line(difference.sentence(), "numbers")]
        self.gains.columns = versus_charts.columns(pairs)
        self.curves.lines = versus_charts.lines(curves, first.pipeline, second.pipeline, called(order))
        self.queries.rows = [row(*pair) for pair in pairs.itertuples(index=False)]
        self._drawn = key

    def _rank(self, progress: Progress) -> None:
        session, bench = self.session, self.session.bench
        question = a, b, query, box = session.a, session.b, session.query, session.box
        known = session.queries.get(query)
        if not a or not b or known is None:
            return
        first, second = (bench.search(query, box=box, pipeline=p, k=None, progress=progress) for p in (a, b))
        picture = thumbnail(bench, known.image, 320, box or known.box)
        sides = [figures(first, second, bench), figures(second, first, bench)]
        progress("Ranking under A and B", 1, 1)
        self.picture.figures = [{"picture": picture, "alt": f"query {query}", "name": query}]
        self.words.lines = [line(text) for text in self._said(a, b, query, overlap(first, second))]
        self.duel.sides = [{"title": p, "figures": side} for p, side in zip((a, b), sides, strict=True)]
        self._shown = question
        self.duel.stale = question != (session.a, session.b, session.query, session.box)

    def _said(self, a: str, b: str, query: str, shared: int) -> list[str]:
        """What the two rankings of a query have in common, and how good they are."""
        said = [
            f"{shared} of the first {FIRST} images are the same (overlap@{FIRST} {percent(shared / FIRST)} %)"
        ]
        found = contest.evaluated(self.session)
        if a in found and b in found:
            pairs = paired(found[a], found[b], self.setting.value or "")
            for x, y in pairs.loc[pairs["query"] == query, ["a", "b"]].to_numpy(float):
                said.insert(0, f"AP {percent(x)} under A, {percent(y)} under B")
        return said


_COLUMNS = [
    column("query", "Query"),
    column("a", "AP, A", True, "In percent"),
    column("b", "AP, B", True, "In percent"),
    column("gain", "B − A", True, "In points"),
]


def paired(a: Evaluation, b: Evaluation, setting: str = "") -> pd.DataFrame:
    """Queries with an AP in both: query, a, b (fractions)."""
    name = f"ap_{setting}" if f"ap_{setting}" in a.per_query else "ap"
    pairs = pd.DataFrame({s: e.per_query.set_index("query")[name] for s, e in (("a", a), ("b", b))}).dropna()
    return pairs.rename_axis(index="query").reset_index()


def row(query: str, a: float, b: float) -> dict[str, Any]:
    """A query under A and B as a row of a table with the columns query, a, b and gain."""
    gain = f"{100 * (b - a):+.1f}".replace("-", "−")
    cells = {"query": query, "a": percent(a), "b": percent(b), "gain": gain}
    return {"id": query, "cells": cells, "order": {"a": a, "b": b, "gain": b - a}}


def called(pipelines: list[str]) -> dict[str, str]:
    """Short names: without the backbone where all have the same."""
    backbones = {Config.parse(p).backbone for p in pipelines}
    common = f"{backbones.pop()}/" if len(backbones) == 1 else ""
    return {p: p.removeprefix(common) for p in pipelines}
