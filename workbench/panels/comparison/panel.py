"""The comparison panel: the measures and costs of pipelines, and two of them query by query."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as W

from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Comparison as Compared
from workbench.panels.comparison import queue, table
from workbench.panels.comparison.example import contrast, example_of
from workbench.panels.comparison.grid_search import GridSearchChoice
from workbench.panels.comparison.pair import PairComparison
from workbench.panels.session import Session
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table

EXPORTS = {
    "Table as CSV": ("to_csv", "csv"),
    "Table as LaTeX": ("to_latex", "tex"),
    "Table as Markdown": ("to_markdown", "md"),
}
EMPTY = "Press Add to comparison to put the current pipeline here; two pipelines are compared in detail."


class Comparison:
    """A table of pipelines, filled as they are evaluated; choosing a row shows how its numbers were made."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.chosen = ""  # the pipeline whose row is picked
        self._running = False
        self.add = W.Button(description="Add to comparison", tooltip="Add the current pipeline to the table")
        self.searching = W.ToggleButton(
            description="Grid search", tooltip="Evaluate every combination of parts"
        )
        self.search = GridSearchChoice(session)
        self.note = Text()
        self.table = Table(label="Pipelines compared", empty=EMPTY, editable=True)
        self.detail = Text()
        self.use = W.Button(description="Make current", tooltip="Rank with this pipeline")
        self.remove = W.Button(description="Remove", tooltip="Take this pipeline out of the comparison")
        buttons = W.Box([self.use, self.remove])
        self.about = W.Box([self.detail, buttons])
        self.versus = PairComparison(session)
        self.download = Download()
        self._offered: list[Evaluation] = []
        tools = W.Box([self.add, self.searching, self.download, self.note])
        for box, name in ((tools, "wb-row"), (buttons, "wb-row"), (self.about, "wb-about")):
            box.add_class(name)
        self.widget = region(
            "Comparison", tools, self.search.widget, self.table, self.about, self.versus.widget
        )

        guard = session.guard
        self.add.on_click(guard(self.add_current))
        self.searching.observe(guard(self.open_search), "value")
        self.table.on_pick(guard(self.choose))
        self.table.on_remove(guard(lambda pipeline: queue.leave(session, [pipeline])))
        self.table.on_order(guard(lambda pipelines: queue.reorder(session, pipelines)))
        self.search.figure.plot.on_pick(guard(self.choose))
        self.use.on_click(guard(lambda _: setattr(session, "pipeline", self.chosen)))
        self.remove.on_click(guard(lambda _: queue.leave(session, [self.chosen])))
        session.observe(guard(self.enter), "compared")
        session.observe(guard(self.draw), ["compared", "evaluations", "waiting", "example", "a", "b"])
        session.observe(guard(self.follow_jobs), "jobs")
        self.open_search(None)
        self.enter(None)
        self.draw(None)
        self.example = example_of(session, lambda: self.widget.layout.display != "none")
        self.widget.layout.observe(guard(self.example.follow), "display")
        self.example.follow()

    def open_search(self, _: object) -> None:
        self.search.widget.layout.display = None if self.searching.value else "none"

    def add_current(self, _: object) -> None:
        """Add the current pipeline, in place of an example."""
        pipelines = [self.session.pipeline]
        with self.session.lock:
            queue.end_example(self.session, pipelines)
            queue.enter(self.session, pipelines)

    def choose(self, pipeline: str) -> None:
        """A row was picked: show how its numbers were made, or hide that again."""
        self.chosen = "" if pipeline == self.chosen else pipeline
        self.draw(None)

    def enter(self, _: object) -> None:
        """Evaluate pipelines that another panel added."""
        queue.enter(self.session)

    def follow_jobs(self, change: Any) -> None:
        """Work began or ended; after a cancel no pipeline waits any more."""
        running = queue.LANE in change["new"]
        with self.session.lock:
            if running == self._running:
                return
            self._running = running
            if not running:
                self.session.waiting = ()
        self.draw(None)

    def draw(self, _: object) -> None:
        """Show the table and the details, and choose A and B."""
        session = self.session
        collection = session.bench.collection
        with session.lock:
            queue.best_two(session)
            names = dict.fromkeys((*session.compared, *session.waiting))
            evaluations = list(queue.evaluated(session).values())
            best = table.highest(evaluations, list(table.measures(collection)))
            self.offer(evaluations)
            self.table.columns = table.columns(collection)
            self.table.rows = [self._row(name, best) for name in names]
            if self.chosen not in names:
                self.chosen = ""
            self.table.chosen = [self.chosen] if self.chosen else []
            result = session.evaluations.get(self.chosen)
            self.detail.lines = (
                table.provenance(result)
                if isinstance(result, Evaluation)
                else [line(self.chosen, "pipeline"), *([line(result, "error")] if result else [])]
            )
            self.about.layout.display = None if self.chosen else "none"
            self.searching.disabled = not queue.has_truth(session)
            truth = [] if queue.has_truth(session) else [line(without_truth(collection.name), "note")]
            self.note.lines = [*truth, *(line(text, "note") for text in example_text(session))]

    def offer(self, evaluations: list[Evaluation]) -> None:
        """Offer the table as a file, unless it is that of the same evaluations."""
        if [*map(id, evaluations)] == [*map(id, self._offered)]:
            return
        self._offered = evaluations
        name = f"comparison on {self.session.bench.collection.name}"

        def file(export: str, ending: str) -> tuple[str, bytes]:
            content = str(getattr(Compared(evaluations), export)())
            return f"{name}.{ending}", content.encode("utf-8", "replace")

        self.download.offer(
            {title: partial(file, *kind) for title, kind in EXPORTS.items()} if evaluations else {}
        )

    def _row(self, pipeline: str, best: dict[str, float]) -> dict[str, Any]:
        session = self.session
        side = "A" if pipeline == session.a else "B" if pipeline == session.b else ""
        result = session.evaluations.get(pipeline)
        if isinstance(result, Evaluation):
            return table.evaluated_row(result, side, best, self._running)
        text = result or ""
        if pipeline in session.waiting:
            text = "is being evaluated …" if pipeline == session.waiting[0] else "…"
        elif not result and queue.has_truth(session):
            text = "not evaluated: cancelled; Add to comparison goes on with it"
        return {"id": pipeline, "cells": {"pipeline": pipeline}, "marks": {"pipeline": side}, "said": text}


def without_truth(name: str) -> str:
    """Why a collection without ground truth has no numbers, and what to do."""
    return (
        f'{name} has no ground truth, so there are no numbers: open it with labels="folders" where '
        "subfolders are labels, or give a labels.csv. Two rankings of a query can still be compared."
    )


def example_text(session: Session) -> list[str]:
    """What is compared as an example, and why; nothing once the user compares pipelines."""
    if not session.example:
        return []
    reason = contrast(session.example[0]).reason
    return [
        f"An example: the pipeline of the start, and {reason}. Add to comparison and Grid search replace it."
    ]
