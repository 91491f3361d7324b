"""The same queries before a training and after it: rankings, their AP, and the heat of a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import paired_difference
from workbench.evaluation.judged import judged_text
from workbench.evaluation.measures_text import percent
from workbench.learning.registry import TrainingRecord
from workbench.panels import score_explanation
from workbench.panels.ap_pairs import columns, paired, row
from workbench.panels.base import Panel
from workbench.panels.formatting import CROPPED
from workbench.panels.ranking_depth import rank
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.long_table import LongTable
from workbench.panels.widgets.rankings import RankingPair, figures
from workbench.panels.widgets.region import Line, Text, line

Evaluations = tuple[Evaluation, Evaluation] | None  # before and after; None without ground truth
WAITING = "The rankings before and after appear here once the collection is described by both."
SIDES = ("before", "after")


class Request(NamedTuple):
    """A training, the query that is ranked before and after it, and the image whose heat is shown."""

    trained: TrainingRecord
    query: Query
    box: Box | None
    image: str

    @property
    def ranked(self) -> Request:
        """The request without its image: the rankings are the same for each."""
        return self._replace(image="")


class Rankings(NamedTuple):
    """Both rankings, the evaluations of both pipelines, and the pictures to show."""

    request: Request
    evaluations: Evaluations
    rankings: list[pd.DataFrame]
    picture: bytes
    sides: tuple[list[Figure], list[Figure]]


class Heats(NamedTuple):
    """The traits of a view of the image before and after; none if there is no image."""

    query: str
    image: str
    views: list[dict[str, Any]]


class BeforeAfter(Panel[Request, Rankings | Heats]):
    """Two rankings of the session's query and two heats of its image, by the pipelines of a training."""

    lane, phase = "before and after", "Ranking before and after the training"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.trained: TrainingRecord | None = None
        self._shown: TrainingRecord | None = None  # the training of the rankings that are shown
        self._ranked: Request | None = None  # the request of the rankings that are shown
        self._rankings: list[pd.DataFrame] = []
        self.lines = Text()
        self.queries = LongTable(
            label="AP of each query before and after", columns=columns("AP before", "after", "Gain")
        )
        self.picture = Grid(label="The query before and after", look="single")
        self.duel = RankingPair(names=[*SIDES])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in SIDES)
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        self.heat = Text()
        heats = W.VBox([self.heat, W.Box([*self.views]), self.scale])
        query = W.VBox([self.picture, self.queries])
        self.body = W.Box([query, self.duel, heats])
        self.widget = W.VBox([self.lines, self.body])
        for box, name in (
            (query, "asked"),
            (heats, "seen"),
            (self.body, "changes"),
            (self.widget, "before-after"),
        ):
            box.add_class(f"wb-{name}")
        self.widget.layout.display = "none"
        guard = session.guard
        self.queries.on_pick(guard(session.choose))
        self.duel.on_pick(guard(lambda image: setattr(session, "image", image)))
        session.observe(guard(self.refresh), ["query", "box", "image"])

    def open(self, trained: TrainingRecord | None) -> None:
        """Show the changes of that training; None hides the panel."""
        if trained is not None and trained != self._shown:  # nothing of another training stays
            self._shown = None
            self.lines.lines = [line(WAITING, "note")]
            self.body.layout.display = "none"
        self.trained = trained
        self.widget.layout.display = None if trained is not None else "none"
        self.refresh()

    def request(self) -> Request | None:
        session = self.session
        if self.trained is None or not session.query:
            return None
        return Request(self.trained, session.query_named(session.query), session.box, session.image)

    def dim(self, stale: bool) -> None:
        for part in (self.picture, self.duel, self.heat, *self.views):
            part.stale = stale

    def stages(self, request: Request, progress: Progress) -> Iterator[Rankings | Heats]:
        """Yield the rankings, unless they are shown already, and then the heats."""
        if request.ranked != self._ranked or self._shown is None:
            yield self._rank(request, progress)
        self.duel.stale = self.picture.stale = False
        query = request.query
        after = self._rankings[1]["image_id"]
        image = request.image if request.image in set(after) else first_result(self._rankings[1], query)
        views = []
        for pipeline, ranking in zip(request.trained.pipelines, self._rankings, strict=True):
            if image:
                explained = score_explanation.Request(query, request.box, image, "", pipeline, ranking, False)
                views.append(score_explanation.study(self.session.bench, explained, progress).views[1])
        yield Heats(query.id, image, views)

    def _rank(self, request: Request, progress: Progress) -> Rankings:
        bench, query, box = self.session.bench, request.query, request.box
        pipelines = request.trained.pipelines
        first, second = (
            rank(bench, query.id, pipeline=pipeline, box=box, progress=progress) for pipeline in pipelines
        )
        evaluations: Evaluations = None
        if bench.collection.protocol is not None:
            before, after = (
                bench.evaluate(pipeline, progress=progress, localise=False) for pipeline in pipelines
            )
            evaluations = before, after
        picture = thumbnail(bench, query.image, 320, box or query.box)
        sides = figures(first, second, bench), figures(second, first, bench)
        return Rankings(request, evaluations, [first, second], picture, sides)

    def render(self, result: Rankings | Heats) -> None:
        if isinstance(result, Heats):
            self._show_heats(result)
        else:
            self._show_rankings(result)

    def _show_rankings(self, result: Rankings) -> None:
        request, evaluations, self._rankings = result.request, result.evaluations, result.rankings
        name = request.query.id
        self._list_queries(request.trained, evaluations)
        opens = reference(request.query.image, request.box or request.query.box)
        self.picture.figures = [
            {"picture": result.picture, "alt": f"query {name}", "name": name, "opens": opens}
        ]
        self.duel.sides = [
            {"title": title, "figures": side}
            for title, side in zip(_titles(result), result.sides, strict=True)
        ]
        self._ranked, self._shown = request.ranked, request.trained
        self.body.layout.display = None

    def _list_queries(self, trained: TrainingRecord, evaluations: Evaluations) -> None:
        """Show the changes over all queries, and list the queries, the largest gain first."""
        self.lines.lines = _summary(trained, evaluations, self.session)
        if evaluations:
            pairs = paired(*evaluations)
            pairs = pairs.assign(gain=pairs["b"] - pairs["a"])
            self.queries.show(pairs.sort_values("gain", kind="stable", ascending=False), row)
        else:
            names = pd.DataFrame({"query": self.session.queries.names})
            self.queries.show(names, lambda name: {"id": name, "cells": {"query": name}})
        self.queries.chosen = [self.session.query]

    def _show_heats(self, result: Heats) -> None:
        """Show the heats on one scale, so that more heat is more of the score."""
        self.queries.chosen, self.duel.current = [result.query], result.image
        if not result.views:
            return
        top = max(view["top"] for view in result.views)
        for widget, view, side in zip(self.views, result.views, SIDES, strict=True):
            alt = f"{result.image} under its heat {side}"
            widget.show(**{**view, "top": top, "name": side, "alt": alt}, stale=False)
        self.scale.top = top
        self.heat.lines = [line(f"The parts of {result.image} that match the query", "note")]


def _titles(result: Rankings) -> list[str]:
    """The AP of the query before and after, with the crop that was ranked; empty if it is not known."""
    query, box = result.request.query, result.request.box
    cropped = f", with {CROPPED}" if box not in (None, query.box) else ""
    shares = [ranking.attrs.get("ap") for ranking in result.rankings]
    return ["" if share is None else f"AP {percent(share)}{cropped}" for share in shares]


def _summary(trained: TrainingRecord, evaluations: Evaluations, session: Session) -> list[Line]:
    """The mAP before and after, and the warnings about it."""
    before, after = trained.pipelines
    lines = [line(f"{before}  →  {after.replace(f'file:{trained.path}', trained.name)}", "pipeline")]
    card, bench = trained.card, session.bench
    if evaluations:
        pairs = paired(*evaluations)
        first, second = (percent(evaluation.mean_ap) for evaluation in evaluations)
        difference = paired_difference(pairs["a"], pairs["b"])
        queries = judged_text(evaluations[1].provenance)
        text = f"mAP {first} before, {second} after, {queries}. {difference.sentence('After')}"
        lines.insert(0, line(text, "numbers", "mAP", "interval"))
    if card.get("collection") == bench.collection.name:
        reason = "it was trained on these very images, all but those held out, so its measures are too high"
        if trained.kind == "attention":
            reason = "it was trained on these very images"
        text = f"On {bench.collection.name} {reason}: evaluate it on another collection too."
        lines.append(line(text, "warning"))
    size = card.get("size", bench.options.size)
    if size != bench.options.size:
        lines.append(line(f"Trained at {size} pixels, shown at {bench.options.size}.", "warning"))
    return lines
