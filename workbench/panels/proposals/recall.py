"""The recall of proposals and of grids over the number of regions."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as W
import pandas as pd

from workbench.analysis.proposal_recall import REGIONS, RegionRecall
from workbench.common.progress import Progress
from workbench.evaluation.measures_text import percent
from workbench.learning.proposals import train as proposals
from workbench.panels.base import Panel
from workbench.panels.session import Session
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line

BEFORE = "The share of objects that proposals and grids of as many regions cover, measured in some seconds."
OUTLINES = "Recall needs outlines in the ground truth: open posters to measure it."


class RecallCurve(Panel[str, tuple[str, RegionRecall]]):
    """Measures the recall of a pipeline's regions on the open collection when ``measure`` is pressed.

    ``pipeline`` returns the pipeline to measure, None if there is none.
    """

    lane, phase, delay = "proposal recall", "Measuring recall", 0.0
    stops_when_folded = False

    def __init__(self, session: Session, pipeline: Callable[[], str | None]) -> None:
        super().__init__(session)
        self._pipeline = pipeline
        self.measure = W.Button(
            description="Measure recall",
            tooltip="On the collection that is open, for the pipeline's backbone",
        )
        self.text = Text()
        self.plot = Plot(label="Recall over the number of regions")
        self.widget = W.VBox([self.measure, self.text, self.plot])
        self.measure.on_click(session.guard(self.start))

    def start(self, _: object) -> None:
        """Measure the recall again."""
        self.forget()
        self.refresh()

    def request(self) -> str | None:
        return self._pipeline()

    def compute(self, request: str, progress: Progress) -> tuple[str, RegionRecall]:
        return request, self.session.bench.regions.recall(pipeline=request, progress=progress)

    def render(self, result: tuple[str, RegionRecall]) -> None:
        pipeline, table = result
        self.plot.show(table.figure())
        self.text.lines = [line(f"{pipeline}: {in_words(table)}", "note", "recall of regions")]

    def show_state(self) -> None:
        """Enable the button if there is something to measure."""
        outlines = bool(self.session.bench.collection.quadrilaterals)
        self.measure.disabled = self.lane in self.session.jobs or not outlines or self._pipeline() is None
        if self.plot.figure is None:
            self.text.lines = [line(BEFORE if outlines else OUTLINES, "note", "recall of regions")]


def in_words(table: pd.DataFrame) -> str:
    """The recall of twenty regions."""
    row = table.set_index("regions").loc[proposals.FIRST].to_dict()
    shares = " · ".join(f"{name} {percent(row[key])} %" for key, name in REGIONS.items())
    return f"of {proposals.FIRST} regions, recall at IoU 0.5: {shares}"
