"""The budget panel: what a query from a phone costs in each way of querying."""

from __future__ import annotations

import re
from typing import NamedTuple

import ipywidgets as W

from workbench.analysis.budget import Budget
from workbench.collections.collection import Collection
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels.base import Panel
from workbench.panels.budget import table
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.long_table import LongTable
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, region

EMPTY = (
    "Each way of querying becomes a point here: its mAP over the bytes that a query sends or the phone holds."
)


class Request(NamedTuple):
    """A pipeline, and the codes that are sent or held; without codes those of the default."""

    pipeline: str
    codes: tuple[str, ...]


class Measured(NamedTuple):
    """The ways of querying, and what they were measured on."""

    budget: Budget
    collection: Collection


class BudgetPanel(Panel[Request, Measured]):
    """Ways of querying by the session's pipeline, measured at a click, as figure and table."""

    lane, phase, delay = "budget", "Measuring the ways of querying", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.measured: Measured | None = None
        self.codes = W.Text(description="Codes", placeholder="pq:8 itq:64 …", continuous_update=False)
        self.go = FieldButton(
            description="Measure",
            button_style="primary",
            tooltip="Measure pictures, vectors and codes of the queries",
            fields=[self.codes],
        )
        self.note = Text(live=True)
        self.plot = Plot(label="mAP over bytes", empty=EMPTY)
        self.table = LongTable(label="Ways of querying", columns=table.COLUMNS)
        head = W.Box([self.codes, self.go])
        head.add_class("wb-recipe")
        self.widget = region("Phone budget", head, self.note, self.plot, self.table)
        self.widget.add_class("wb-training")
        guard = session.guard
        self.go.on_click(guard(self.measure))
        session.observe(guard(self.draw), ["pipeline", "ranking"])
        self.codes.observe(guard(self.draw), "value")
        self.draw(None)

    def measure(self, _: object) -> None:
        """Measure all ways of querying, also if they are measured already."""
        self.forget()
        self.refresh()

    def request(self) -> Request:
        codes = tuple(dict.fromkeys(re.findall(r"[^\s,;]+", self.codes.value)))
        return Request(self.session.pipeline, codes)

    def compute(self, request: Request, progress: Progress) -> Measured:
        bench = self.session.bench
        codes = request.codes or None
        measured = bench.studies.budget(request.pipeline, codes=codes, progress=progress)
        return Measured(measured, bench.collection)

    def render(self, result: Measured) -> None:
        self.measured = result
        self.plot.show(result.budget.figure())
        self.table.show(*table.shown(result.budget))
        self.draw(None)

    def draw(self, _: object) -> None:
        """Show what is measured, or what the button will measure; dim what is of another pipeline."""
        with self.session.lock:
            collection = self.session.bench.collection
            self.go.disabled = collection.protocol is None
            self.table.layout.display = None if self.measured else "none"
            self.plot.stale = self.table.stale = self.stale
            budget = self.measured.budget if self.measured else None
            self.note.lines = table.lines(budget, self.stale, collection, self.request().codes)

    @property
    def stale(self) -> bool:
        """Whether the numbers are of another description, or of other images."""
        if self.measured is None:
            return False
        description = str(Config.parse(self.session.pipeline).description)
        same = self.measured.collection is self.session.bench.collection
        return not same or self.measured.budget.pipeline != description
