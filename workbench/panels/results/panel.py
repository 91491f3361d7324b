"""The results panel: the ranked images, and the measures of their pipeline."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as W
import pandas as pd

from workbench.collections.protocols import PROTOCOLS
from workbench.evaluation.measures_text import measured, on_target
from workbench.panels.formatting import figure, of_ranking
from workbench.panels.lanes import RANKING
from workbench.panels.ranking_depth import absence
from workbench.panels.results import filters
from workbench.panels.results.boxes import Boxes
from workbench.panels.results.groups import MOMENTS, Groups
from workbench.panels.results.parts import PartColumns
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.grid import Figure, Scroll, thumbnail
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.region import Line, Text, line, region

KEYS = "Click explains · double click opens large"
ABSENT = {
    "errors only": "No errors: no negative is ranked in the place of a positive.",
    "missed positives": "None missed: all positives come first.",
}


class Results:
    """Ranked images with score and relevance, under the mAP of their pipeline and its warnings."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.numbers = Text()
        self.show = W.Dropdown(description="Show", options=filters.SHOW)
        self.size = W.Dropdown(description="Size", options=("small", "medium", "large"), value="medium")
        self.count = Text()
        self.grid = Scroll(
            partial(thumbnail, session.bench),
            session.fail,
            label="Ranked images",
            look="ranked",
            judging=True,
        )
        self.boxes = Boxes(session, self.grid)
        self.groups = Groups(session, session.guard(self.draw), self.grid)
        explained = Help("boxes", "errors and missed positives")
        tools = W.Box([self.show, self.groups.select, self.size, self.boxes.switch, explained, self.count])
        tools.add_class("wb-tools")
        self.widget = region("Results", self.numbers, tools, self.grid)
        self.grid.on_judge(session.guard(self.judge))
        self.size.observe(session.guard(lambda change: setattr(self.grid, "size", change["new"])), "value")
        self.show.observe(session.guard(self.draw), "value")
        self.grid.observe(session.guard(self.study), ["current", "marked"])
        session.observe(session.guard(self.draw), "ranking")
        session.observe(session.guard(self.show_numbers), ["evaluation", "ranking", "jobs", *QUESTION])
        session.observe(session.guard(self.dim), QUESTION)
        session.observe(session.guard(self.mark), ["image", "selection", "feedback"])
        self.show_numbers(None)
        self.mark(None)
        self.draw(None)

    def lines(self) -> list[Line]:
        """The lines above the ranking: measures and protocol."""
        session = self.session
        evaluation = session.evaluation
        if not session.queries:
            return []
        if session.bench.collection.protocol is None:
            hint = 'No ground truth, so no mAP: open the folder with labels="folders", or a CSV of labels.'
            return [line(hint, "note")]
        if evaluation is None or evaluation.pipeline != session.pipeline:
            text = "mAP is being computed …" if RANKING in session.jobs else "No mAP for this pipeline yet."
            return [line(text, "note"), *self._ap()]
        protocol = PROTOCOLS[evaluation.protocol]
        several = ("easy, medium, hard", "junk") if len(protocol.settings) > 1 else ()
        words = ("N-S",) if protocol.measure == "N-S" else ("mAP", *several)
        lines = [
            line(measured(evaluation), "numbers", *words),
            *self._ap(),
            line(on_target(evaluation), "text", "heat on target"),
            line(f"Protocol: {protocol.title}", "note"),
        ]
        return [entry for entry in lines if entry["text"]]

    def _ap(self) -> list[Line]:
        """The AP of the ranking on screen; a dash while the ranking is on its way."""
        session = self.session
        if session.answered:
            query = session.query_named(session.query)
            text = of_ranking(session.ranking, session.ranked, query)
            return [line(text, "text", "AP of this query")] if text else []
        return (
            [line("AP of this query –", "text", "AP of this query")]
            if session.query in session.bench.collection.relevance and not session.expression
            else []
        )

    def show_numbers(self, _: object) -> None:
        self.numbers.lines = self.lines()
        if self.session.ranking is None:
            self.grid.empty = self.hint()

    def hint(self) -> str:
        """The text of an empty grid."""
        session = self.session
        if not session.queries:
            return "Nothing to rank: open a folder that holds images."
        if session.ranking is None and RANKING in session.jobs:
            return "Ranked images appear here once the collection's features are extracted."
        if session.ranking is None:
            return "Choose a query and press Run to rank the collection."
        if self.show.value == "selection":
            return "Nothing is selected: Ctrl+click images, or press s on one, or draw a lasso on the map."
        if session.bench.collection.protocol is None:
            return "Errors are not known without ground truth: show all."
        return ABSENT.get(self.show.value, "")

    def dim(self, _: object) -> None:
        self.grid.stale = self.count.stale = not self.session.answered

    def draw(self, _: object) -> None:
        """Show the results of the session's ranking that pass the filter."""
        ranking, collection = self.session.ranking, self.session.bench.collection
        if ranking is None:
            return
        columns, absent = PartColumns(ranking), absence(ranking)
        protocol, query = collection.protocol, ranking.attrs.get("query", "")
        ranking = filters.with_unreached(ranking, collection.relevance.get(query, {}))
        rows = filters.shown(ranking, self.show.value, protocol, self.session.selection)
        text = filters.summary(ranking, rows, self.show.value, protocol, len(collection.images), absent)
        groups = self.groups.grouped(ranking[ranking["rank"] > 0], rows)
        if self.groups.value != MOMENTS:
            text = f"{text} in {len(groups):,} {self.groups.value}"
        self.grid.empty = self.hint()
        self.grid.show(len(groups), lambda start, stop: self._figures(columns, groups[start:stop], absent))
        keys = [line(KEYS, "note", "keys")] if len(rows) else []
        self.count.lines = [line(text, "note"), *keys, *columns.legend()]
        self.dim(None)
        self.boxes.refresh()

    def study(self, change: Any) -> None:
        """An image was clicked, which makes it the one under study, or was selected."""
        if change["name"] == "current":
            self.session.image = change["new"]
        else:
            self.session.selection = tuple(change["new"])

    def mark(self, change: Any) -> None:
        """Show which image is studied and which are selected; a new selection is shown alone."""
        session = self.session
        self.grid.current = session.image
        self.grid.judged = dict(session.feedback)
        if change is not None and change["name"] != "selection":
            return
        new_selection = list(session.selection) != self.grid.marked
        self.grid.marked = list(session.selection)
        if new_selection and session.selection and self.show.value != "selection":
            self.show.value = "selection"
        elif self.show.value == "selection":
            self.draw(None)

    def judge(self, judged: tuple[str, int]) -> None:
        """A result was judged relevant (1) or not (-1)."""
        self.session.judge_result(*judged)

    def _figures(self, columns: PartColumns, rows: pd.DataFrame, absent: str) -> list[Figure]:
        pairs = zip(rows.itertuples(), columns.bars(rows), strict=True)
        shots = self.session.shots
        return [self.groups.captioned(row, figure(row, shots, absent)) | bar for row, bar in pairs]
