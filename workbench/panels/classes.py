"""ONE on screen: a query answered as a class and as a ranking at once, and which region voted for what."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Box, Query
from workbench.config import WorkbenchError
from workbench.panels.one_words import CLASSES, SETS, class_rows, said, sets_of
from workbench.panels.results import figure
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.votes import SIDE, VotesView, voters
from workbench.panels.widgets.grid import Scroll, thumbnail
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress

LANE, EVIDENCE = "one", "votes"
WAITING = "Classes and images come here once the collection's regions are described."


class Asked(NamedTuple):
    """A query, and by which pipeline's regions it is answered."""

    query: Query
    box: Box | None
    pipeline: str


class Answered(NamedTuple):
    """The answer: classes (none without labels) and images, nearest first."""

    asked: Asked
    classes: pd.DataFrame | None
    ranking: pd.DataFrame


class Subject(NamedTuple):
    """What is explained: a class, or an image."""

    label: str | None
    image: str | None


class Classes:
    """The classes and the images nearest to the query, and of one of them the votes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.answered: Answered | None = None
        self.subject: Subject | None = None
        self.sets = W.Dropdown(description="Sets of regions", options=SETS)
        self.said = Text(lines=[line(WAITING)], live=True)
        self.table = Table(label="Classes, nearest first", columns=CLASSES)
        self.grid = Scroll(
            partial(thumbnail, session.bench), session.fail, label="Images ranked by ONE", look="ranked"
        )
        self.grid.size = "small"
        self.votes = VotesView(session)
        head, answers = W.Box([self.sets, self.said]), W.Box([self.table, self.grid])
        self.body = W.VBox([answers, self.votes.hint, self.votes.body])
        head.add_class("wb-explained-controls")
        answers.add_class("wb-answers")
        self.widget = region("Classes", head, self.body)
        self.body.layout.display = "none"
        guard = session.guard
        self.sets.observe(guard(self.look), "value")
        self.table.on_pick(guard(self.explain_class))
        self.grid.observe(guard(lambda change: self.open(change["new"])), "current")
        self.widget.layout.observe(guard(self.fold), "display")
        session.observe(guard(self.look), ["ranking", "pipeline"])
        session.observe(guard(self.dim), ["query", "box"])
        session.observe(guard(lambda change: self.open(change["new"])), "image")
        self.look(None)

    # -- what is asked

    @property
    def folded(self) -> bool:
        return bool(self.widget.layout.display == "none")

    def fold(self, _: object) -> None:
        """It was folded away, or is seen again."""
        if self.folded:
            for lane in (LANE, EVIDENCE):
                self.session.lane(lane).cancel()
        else:
            self.look(None)

    def asked(self) -> Asked | None:
        """What is to be answered now; None before the first ranking."""
        session, ranked = self.session, self.session.ranked
        if ranked is None:
            return None
        query = session.queries.get(ranked.query) or Query(ranked.query, ranked.query)
        return Asked(query, ranked.box, sets_of(str(self.sets.value), session.pipeline))

    def dim(self, _: object) -> None:
        """What is shown answers an older question, until the new ranking is there."""
        self._stale(self.answered is not None)

    def look(self, _: object) -> None:
        """Bring the panel up to date, in a worker."""
        asked = self.asked()
        if self.folded or asked is None:
            return
        if self.answered is None or self.answered.asked != asked:
            self._stale(True)
            self.session.run(LANE, partial(self._answer, asked), DEBOUNCE)

    def _answer(self, asked: Asked, progress: Progress) -> None:
        bench, query = self.session.bench, asked.query
        try:
            ranking = bench.one(query.id, asked.pipeline, None, asked.box, progress)
            labelled = any(bench.collection.labels.values())
            classes = (
                bench.classify(query.id, asked.pipeline, None, asked.box, progress) if labelled else None
            )
        except WorkbenchError as error:
            self.answered = self.subject = None
            self.body.layout.display = "none"
            self.said.lines = [line(str(error), "error")]
            return
        progress("Answering", 1, 1)  # the last moment at which a newer request can still win
        self.answered = Answered(asked, classes, ranking)
        self._show_answer(self.answered)
        first = None if classes is None or not len(classes) else str(classes["label"].iloc[0])
        others = [str(one) for one in ranking["image_id"].head(2) if one != query.image]
        if first is not None:
            self.explain(Subject(first, None))
        elif others:
            self.explain(Subject(None, others[0]))

    # -- explaining

    def open(self, image: str) -> None:
        """An image was chosen, here or elsewhere: its votes are shown."""
        self.grid.current = image
        self.session.image = image
        if image in self.session.bench.collection.images:
            self.explain(Subject(None, image))

    def explain_class(self, label: str) -> None:
        """Show who votes for a class."""
        self.explain(Subject(label, None))

    def explain(self, subject: Subject) -> None:
        """Show who votes for a class or an image, in a worker."""
        answered = self.answered
        if answered is None or self.folded:
            return
        self.table.chosen = [] if subject.label is None else [subject.label]
        self.session.run(EVIDENCE, partial(self._explain, answered, subject), DEBOUNCE)

    def _explain(self, answered: Answered, subject: Subject, progress: Progress) -> None:
        bench, asked = self.session.bench, answered.asked
        try:
            why = bench.evidence(
                asked.query.id, subject.image, subject.label, asked.pipeline, asked.box, progress
            )
        except WorkbenchError as error:
            self.votes.say(str(error))
            return
        found = voters(self.session, why)
        picture = thumbnail(bench, asked.query.image, SIDE, asked.box or asked.query.box)
        progress("Explaining", 1, 1)
        self.subject = subject
        what = f"the class {subject.label}" if subject.label is not None else str(subject.image)
        self.votes.show(what, asked.query.id, picture, why, found)
        self.grid.stale = False

    # -- showing

    def _show_answer(self, answered: Answered) -> None:
        collection, asked = self.session.bench.collection, answered.asked
        true = collection.labels.get(asked.query.image, "")
        self.said.lines = said(answered.classes, true, collection)
        with self.table.hold_sync():
            self.table.rows = [] if answered.classes is None else class_rows(answered.classes, true)
            self.table.chosen = []
        self.table.layout.display = "none" if answered.classes is None else None
        ranking, self.body.layout.display = answered.ranking, None
        self.grid.current = self.session.image
        self.grid.show(
            len(ranking), lambda start, stop: [figure(row) for row in ranking[start:stop].itertuples()]
        )

    def _stale(self, stale: bool) -> None:
        self.grid.stale = stale
        self.votes.dim(stale)
