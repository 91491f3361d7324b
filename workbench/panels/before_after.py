"""The same queries before a training and after it: rankings, their AP, and the heat of a result."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Query
from workbench.evaluation.comparison import paired_difference
from workbench.judging import Evaluation
from workbench.learning.registry import Trained
from workbench.panels.results import percent
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.study import Asked, study
from workbench.panels.versus import paired, row
from workbench.panels.widgets.duel import Duel, figures
from workbench.panels.widgets.grid import Grid, thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.region import Line, Text, line
from workbench.panels.widgets.table import Table, column
from workbench.progress import Progress

Judged = tuple[Evaluation, Evaluation] | None  # before and after, where there is ground truth
LANE = "before and after"
WAITING = "The rankings before and after come here once the collection is described by both."
SIDES = ("before", "after")
COLUMNS = [
    column("query", "Query"),
    column("a", "AP before", True, "In percent"),
    column("b", "after", True, "In percent"),
    column("gain", "Gain", True, "In points"),
]


class BeforeAfter:
    """Two rankings of the session's query and two heats of its image, by the pipelines of a training."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.trained: Trained | None = None
        self._shown: Trained | None = None
        self._asked: Any = None  # what the rankings answer
        self._rankings: list[pd.DataFrame] = []
        self.said = Text()
        self.queries = Table(label="AP of each query before and after", columns=COLUMNS)
        self.picture = Grid(label="The query before and after", look="single")
        self.duel = Duel(names=[*SIDES])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in SIDES)
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        self.heat = Text()
        seen = W.VBox([self.heat, W.Box([*self.views]), self.scale])
        asked = W.VBox([self.picture, self.queries])
        self.body = W.Box([asked, self.duel, seen])
        self.widget = W.VBox([self.said, self.body])
        for box, name in (
            (asked, "asked"),
            (seen, "seen"),
            (self.body, "changes"),
            (self.widget, "before-after"),
        ):
            box.add_class(f"wb-{name}")
        self.widget.layout.display = "none"
        guard = session.guard
        self.queries.on_pick(guard(session.choose))
        self.duel.on_pick(guard(lambda image: setattr(session, "image", image)))
        session.observe(guard(self.refresh), ["query", "box", "image"])

    def open(self, trained: Trained | None) -> None:
        """Show what that training changes; None: nothing."""
        if trained is not None and trained != self._shown:  # nothing of another stays
            self._shown = None
            self.said.lines = [line(WAITING, "note")]
            self.body.layout.display = "none"
        self.trained = trained
        self.widget.layout.display = None if trained is not None else "none"
        self.refresh(None)

    def refresh(self, _: object) -> None:
        """Bring everything up to date, in a worker."""
        if self.trained is None or not self.session.query:
            return
        self._stale(True)
        self.session.run(LANE, self._work, DEBOUNCE)

    def _stale(self, stale: bool) -> None:
        for part in (self.duel, *self.views):
            part.stale = stale

    def _work(self, progress: Progress) -> None:
        session, trained = self.session, self.trained
        if trained is None:
            return
        asked = trained, name, box = trained, session.query, session.box
        bench, pipelines = session.bench, trained.pipelines
        if asked != self._asked or self._shown is None:
            first, second = (bench.search(name, box, one, None, progress) for one in pipelines)
            judged: Judged = None
            if bench.collection.protocol is not None:
                before, after = (bench.evaluate(one, progress, localise=False) for one in pipelines)
                judged = before, after
            query = _query(session, name)
            picture = thumbnail(bench, query.image, 320, box or query.box)
            sides = [figures(first, second, bench), figures(second, first, bench)]
            progress("Ranking before and after", 1, 1)
            self._rankings = [first, second]
            self._show(trained, judged)
            self.picture.figures = [{"picture": picture, "alt": f"query {name}", "name": name}]
            self.duel.sides = [
                {"title": title, "figures": side}
                for title, side in zip(_titles(judged, name), sides, strict=True)
            ]
            self._asked, self._shown = asked, trained
            self.body.layout.display = None
        self.duel.stale = False
        self._explain(pipelines, progress)

    def _show(self, trained: Trained, judged: Judged) -> None:
        """Say what changed over all queries, and list them."""
        self.said.lines = _said(trained, judged, self.session)
        pairs = paired(*judged) if judged else pd.DataFrame(columns=["query", "a", "b"])
        pairs = pairs.loc[(pairs["b"] - pairs["a"]).sort_values(kind="stable", ascending=False).index]
        named = [row(*pair) for pair in pairs.itertuples(index=False, name=None)]
        rest = [{"id": one, "cells": {"query": one}} for one in self.session.queries] if not judged else []
        self.queries.rows = named + rest
        self.queries.chosen = [self.session.query]

    def _explain(self, pipelines: tuple[str, str], progress: Progress) -> None:
        """Show the heat of the session's image, or else of the first result, before and after."""
        session, bench = self.session, self.session.bench
        query = _query(session, session.query)
        results = self._rankings[1]["image_id"]
        others = [one for one in results.head(2) if one != query.image]
        image = session.image if session.image in set(results) else next(iter(others), "")
        self.queries.chosen, self.duel.current = [session.query], image
        if not image:
            return
        views = []
        for pipeline, ranking in zip(pipelines, self._rankings, strict=True):
            asked = Asked(query, session.box, image, "", pipeline, ranking, False)
            views.append(study(bench, asked, progress).views[1])
        progress("Explaining", 1, 1)
        top = max(one["top"] for one in views)
        for view, made, side in zip(self.views, views, SIDES, strict=True):
            # One scale for both, so that more heat is more of the score.
            view.show(
                **{**made, "top": top, "name": side, "alt": f"{image} under its heat {side}"}, stale=False
            )
        self.scale.top = top
        self.heat.lines = [line(f"What of {image} matches the query", "note")]


def _query(session: Session, name: str) -> Query:
    return session.queries.get(name) or Query(name, name)


def _titles(judged: Judged, query: str) -> tuple[str, str]:
    """The AP of the query before and after, where it is known."""
    known = [pair for pair in paired(*judged).itertuples(index=False) if pair[0] == query] if judged else []
    return (f"AP {percent(known[0][1])}", f"AP {percent(known[0][2])}") if known else ("", "")


def _said(trained: Trained, judged: Judged, session: Session) -> list[Line]:
    """What changed over all queries, and what must be said of it."""
    before, after = trained.pipelines
    said = [line(f"{before}  →  {after.replace(f'file:{trained.path}', trained.name)}", "pipeline")]
    card, bench = trained.card, session.bench
    if judged:
        pairs = paired(*judged)
        first, second = (percent(one.mean_ap) for one in judged)
        difference = paired_difference(pairs["a"], pairs["b"])
        said.insert(0, line(f"mAP {first} before, {second} after. {difference.sentence('After')}", "numbers"))
    if card.get("collection") == bench.collection.name:
        own = "it was trained on these very images, all but those held out, which flatters it"
        if trained.kind == "attention":
            own = "it was trained on these very photos"
        said.append(line(f"On {bench.collection.name} {own}: judge it on another collection too.", "warning"))
    size = card.get("size", bench.options.size)
    if size != bench.options.size:
        said.append(line(f"Trained at {size} pixels, shown at {bench.options.size}.", "warning"))
    return said
