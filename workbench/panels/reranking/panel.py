"""The panel of re-rankers: gain, cost, which pairs they verify, and one query before and after."""

from __future__ import annotations

import re
from typing import NamedTuple

import ipywidgets as W

from workbench.analysis.compare_rerankers import default_methods
from workbench.analysis.reranking import Reranking
from workbench.collections.collection import Collection
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels.base import Panel
from workbench.panels.reranking import table
from workbench.panels.reranking.effect import MethodEffect
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.long_table import LongTable
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, region
from workbench.panels.widgets.table import Table

FIRST, QUERIES = 20, 60  # results that are verified by default, and queries that are drawn
EMPTY = "Each re-ranker becomes a row here: its gain in mAP, and the share of each class of pairs verified."


class Request(NamedTuple):
    """A pipeline, and the methods that are compared; without methods those of the default."""

    pipeline: str
    methods: tuple[str, ...]


class Measured(NamedTuple):
    """The compared re-rankers, and what they were measured on."""

    reranking: Reranking
    collection: Collection


class RerankingPanel(Panel[Request, Measured]):
    """Re-rankers behind the session's pipeline, compared at a click; one of them is looked at in detail."""

    lane, phase, delay = "re-rankers", "Comparing re-rankers", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.measured: Measured | None = None
        self.methods = W.Text(
            description="Methods", placeholder="kreciprocal:20:6:0.3 sv:20 …", continuous_update=False
        )
        self.go = FieldButton(
            description="Measure",
            button_style="primary",
            tooltip="Re-rank the same first results by each method",
            fields=[self.methods],
        )
        self.note = Text(live=True)
        self.plot = Plot(label="Gain in mAP and pairs verified", empty=EMPTY)
        self.table = LongTable(label="Re-rankers", columns=table.COLUMNS)
        self.examples = Table(label="Example pairs", columns=table.EXAMPLES)
        self.effect = MethodEffect(session)
        self.parts = (self.effect,)
        head = W.Box([self.methods, self.go])
        head.add_class("wb-recipe")
        self.widget = region(
            "Re-rankers", head, self.note, self.plot, self.table, self.examples, self.effect.widget
        )
        self.widget.add_class("wb-training")
        guard = session.guard
        self.go.on_click(guard(self.measure))
        session.observe(guard(self.draw), ["pipeline", "ranking"])
        self.methods.observe(guard(self.draw), "value")
        self.table.on_pick(guard(self.look))
        self.plot.on_pick(guard(self.look))
        self.examples.on_pick(guard(self.open))
        self.draw(None)

    def measure(self, _: object) -> None:
        """Compare the methods, also if they are compared already."""
        self.forget()
        self.refresh()

    def look(self, method: str) -> None:
        """Show what a method changes for the session's query."""
        self.table.chosen, self.plot.current = [method], method
        assert self.measured is not None
        self.effect.show(self.measured.reranking.pipeline, method)

    def open(self, row: str) -> None:
        """Make the pair of an example the session's query and image."""
        assert self.measured is not None
        pair = self.measured.reranking.examples.iloc[int(row)]
        self.examples.chosen = [row]
        self.session.choose(str(pair["query"]))
        self.session.image = str(pair["image"])

    def request(self) -> Request:
        methods = tuple(dict.fromkeys(re.findall(r"[^\s,;]+", self.methods.value)))
        return Request(self.session.pipeline, methods)

    def compute(self, request: Request, progress: Progress) -> Measured:
        bench = self.session.bench
        measured = bench.studies.reranking(
            request.pipeline,
            methods=request.methods or None,
            first=FIRST,
            queries=QUERIES,
            progress=progress,
        )
        return Measured(measured, bench.collection)

    def render(self, result: Measured) -> None:
        self.measured = result
        reranking = result.reranking
        self.plot.show(reranking.figure())
        self.table.show(*table.shown(reranking))
        self.examples.rows, self.examples.chosen = table.examples(reranking), []
        self.draw(None)  # first, so that the part below is on screen
        best = max(reranking.methods[1:], key=lambda method: method.mean_ap, default=None)
        if best is not None:
            self.look(best.name)

    def draw(self, _: object) -> None:
        """Show what is measured, or what the button will measure; dim what is of another pipeline."""
        with self.session.lock:
            collection = self.session.bench.collection
            self.go.disabled = collection.protocol is None
            hidden = None if self.measured else "none"
            stale = self.stale
            for part in (self.table, self.examples, self.effect.widget):
                part.layout.display = hidden
            if self.measured and not self.examples.rows:
                self.examples.layout.display = "none"
            self.plot.stale = self.table.stale = self.examples.stale = stale
            self.effect.outdated = stale
            self.effect.dim(stale)
            reranking = self.measured.reranking if self.measured else None
            methods = self.request().methods or default_methods(self._base, FIRST)
            self.note.lines = table.lines(reranking, stale, collection, methods, QUERIES)

    @property
    def _base(self) -> Config:
        """The session's pipeline without its re-ranking."""
        config = Config.parse(self.session.pipeline)
        return Config.parse("/".join([str(config.description), *map(str, config.index_steps)]))

    @property
    def stale(self) -> bool:
        """Whether the numbers are of other first results, or of other images."""
        if self.measured is None:
            return False
        same = self.measured.collection is self.session.bench.collection
        return not same or self.measured.reranking.pipeline != str(self._base)
