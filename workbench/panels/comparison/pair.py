"""Two pipelines compared: over all queries, and over one query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.common.progress import Progress
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison, Difference, paired_difference
from workbench.figures.ap_differences import ap_differences
from workbench.figures.mean_aps import mean_aps
from workbench.figures.precision_recall import precision_recall
from workbench.figures.style import Figure
from workbench.panels.ap_pairs import columns, paired, row
from workbench.panels.base import Panel
from workbench.panels.comparison import queue
from workbench.panels.comparison.two_rankings import TwoRankings
from workbench.panels.session import Session
from workbench.panels.widgets.long_table import LongTable
from workbench.panels.widgets.name_select import name_select
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line


@dataclass(frozen=True)
class Request:
    """Two pipelines and a setting of the protocol; all evaluations are drawn as curves."""

    a: str
    b: str
    setting: str
    names: tuple[str, ...]
    evaluations: dict[str, Evaluation] = field(compare=False)


class Compared(NamedTuple):
    """The paired difference, the AP of each query: query, a, b, gain (fractions), and the three figures."""

    request: Request
    difference: Difference
    pairs: pd.DataFrame
    figures: tuple[Figure, Figure, Figure]


class PairComparison(Panel[Request, Compared]):
    """The selects ``A`` and ``B``, their difference in words and by query, and two rankings of one query."""

    lane, phase, delay = "difference", "Comparing query by query", 0.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.a, self.b = name_select("A"), name_select("B")
        self.setting = W.Dropdown(description="Setting")
        self.sentence = Text(live=True)
        self.gains = Plot(label="AP of each query under A and B")
        self.curves = Plot(label="Precision over recall")
        self.means = Plot(label="mAP of each pipeline")
        self.queries = LongTable(
            label="AP of each query under A and B", columns=columns("AP, A", "AP, B", "B − A")
        )
        self.rankings = TwoRankings(session, self.setting)
        self.parts = (self.rankings,)

        selects, charts = W.Box([self.a, self.b, self.setting]), W.Box()
        charts.children = [self.gains, self.curves, self.means]
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
        for part in (self.sentence, self.gains, self.curves, self.means, self.queries):
            part.stale = stale

    def compute(self, request: Request, progress: Progress) -> Compared:
        a, b, setting = request.a, request.b, request.setting
        evaluations = request.evaluations
        pairs = paired(evaluations[a], evaluations[b], setting)
        progress("Comparing query by query", 0, 0)
        difference = paired_difference(pairs["a"], pairs["b"])
        gains = (pairs["b"] - pairs["a"]).sort_values(kind="stable")
        figures = (
            ap_differences(Comparison([evaluations[a], evaluations[b]]), setting=setting),
            precision_recall([*evaluations.values()], setting, emphasised=(a, b)),
            mean_aps([*evaluations.values()], setting),
        )
        return Compared(request, difference, pairs.assign(gain=gains).loc[gains.index], figures)

    def render(self, result: Compared) -> None:
        self.sentence.lines = [line(result.difference.sentence(), "numbers", "interval")]
        for plot, figure in zip((self.gains, self.curves, self.means), result.figures, strict=True):
            plot.show(figure)
        self.queries.show(result.pairs, row)

    def render_nothing(self) -> None:
        self.evaluated.layout.display = self.queries.layout.display = "none"

    def update(self) -> None:
        self.evaluated.layout.display = self.queries.layout.display = None
