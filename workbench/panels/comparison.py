"""Pipelines side by side: what each measures and costs, and two of them query by query."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.judging import Evaluation
from workbench.panels import contest, standings
from workbench.panels.grid_choice import GridChoice
from workbench.panels.session import Session
from workbench.panels.versus import Versus
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table

EMPTY = "Press Compare current to put the current pipeline here; with two, they are held against each other."


class Comparison:
    """A table of pipelines, filled as they are evaluated; a row tells what made its numbers."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.chosen = ""
        self._running = False
        self.add = W.Button(description="Compare current", tooltip="Add the current pipeline to the table")
        self.searching = W.ToggleButton(
            description="Grid search", tooltip="Evaluate every combination of parts"
        )
        self.search = GridChoice(session)
        self.note = Text()
        self.table = Table(label="Pipelines compared", empty=EMPTY)
        self.detail = Text()
        self.use = W.Button(description="Make current", tooltip="Rank with this pipeline")
        self.remove = W.Button(description="Remove", tooltip="Take this pipeline out of the comparison")
        buttons = W.Box([self.use, self.remove])
        self.about = W.Box([self.detail, buttons])
        self.versus = Versus(session)
        tools = W.Box([self.add, self.searching, self.note])
        for box, name in ((tools, "wb-row"), (buttons, "wb-row"), (self.about, "wb-about")):
            box.add_class(name)
        self.widget = region(
            "Comparison", tools, self.search.widget, self.table, self.about, self.versus.widget
        )

        guard = session.guard
        self.add.on_click(guard(lambda _: contest.enter(session, [session.pipeline])))
        self.searching.observe(guard(self.open_search), "value")
        self.table.on_pick(guard(self.choose))
        self.use.on_click(guard(lambda _: setattr(session, "pipeline", self.chosen)))
        self.remove.on_click(guard(lambda _: contest.leave(session, [self.chosen])))
        session.observe(guard(self.enter), "compared")
        session.observe(guard(self.draw), ["compared", "evaluations", "waiting", "a", "b"])
        session.observe(guard(self.heed), "jobs")
        self.open_search(None)
        self.enter(None)
        self.draw(None)

    def open_search(self, _: object) -> None:
        self.search.widget.layout.display = None if self.searching.value else "none"

    def choose(self, pipeline: str) -> None:
        """A row was picked: tell what made its numbers, or close that again."""
        self.chosen = "" if pipeline == self.chosen else pipeline
        self.draw(None)

    def enter(self, _: object) -> None:
        """Another panel may have added pipelines, which are not evaluated yet."""
        contest.enter(self.session)

    def heed(self, change: Any) -> None:
        """Work began or ended; where it was cancelled, nothing waits any more."""
        running = contest.LANE in change["new"]
        with self.session.lock:
            if running == self._running:
                return
            self._running = running
            if not running:
                self.session.waiting = ()
        self.draw(None)

    def draw(self, _: object) -> None:
        """Bring table, detail and the choice of A and B in line with the session."""
        session = self.session
        collection = session.bench.collection
        with session.lock:
            contest.best_two(session)
            names = dict.fromkeys((*session.compared, *session.waiting))
            best = standings.highest(
                list(contest.evaluated(session).values()), list(standings.measures(collection))
            )
            self.table.columns = standings.columns(collection)
            self.table.rows = [self._row(name, best) for name in names]
            if self.chosen not in names:
                self.chosen = ""
            self.table.chosen = [self.chosen] if self.chosen else []
            found = session.evaluations.get(self.chosen)
            self.detail.lines = (
                standings.provenance(found)
                if isinstance(found, Evaluation)
                else [line(self.chosen, "pipeline"), *([line(found, "error")] if found else [])]
            )
            self.about.layout.display = None if self.chosen else "none"
            self.searching.disabled = not contest.judged(session)
            self.note.lines = (
                [] if contest.judged(session) else [line(without_truth(collection.name), "note")]
            )

    def _row(self, pipeline: str, best: dict[str, float]) -> dict[str, Any]:
        session = self.session
        held = "A" if pipeline == session.a else "B" if pipeline == session.b else ""
        found = session.evaluations.get(pipeline)
        if isinstance(found, Evaluation):
            return standings.evaluated_row(found, held, best, self._running)
        said = found or ""
        if pipeline in session.waiting:
            said = "is being evaluated …" if pipeline == session.waiting[0] else "…"
        elif not found and contest.judged(session):
            said = "not evaluated: cancelled; Compare current goes on with it"
        return {"id": pipeline, "cells": {"held": held, "pipeline": pipeline}, "said": said}


def without_truth(name: str) -> str:
    """What is missing where there is no ground truth, what gets it, and what can be compared all the same."""
    return (
        f'{name} has no ground truth, so there are no numbers: open it with labels="folders" where '
        "subfolders are labels, or give a labels.csv. Two rankings of a query can still be compared."
    )
