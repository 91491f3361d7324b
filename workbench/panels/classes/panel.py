"""ONE on screen: a query answered as a class and as a ranking at once, and which region voted for what."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import ipywidgets as W
import pandas as pd

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.classes.text import CLASSES, SETS, class_frame, class_row, sets_of, summary
from workbench.panels.classes.votes import Subject, VotesView
from workbench.panels.formatting import figure
from workbench.panels.ranking_depth import depth_of
from workbench.panels.refinement import SET_ASIDE
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.grid import Scroll, thumbnail
from workbench.panels.widgets.long_table import LongTable
from workbench.panels.widgets.region import Text, line, region

WAITING = "Classes and images appear here once the collection's regions are described."


class Request(NamedTuple):
    """A query, and the pipeline whose regions answer it."""

    query: Query
    box: Box | None
    pipeline: str
    refined: bool  # whether the session's ranking includes feedback or further queries


class Answer(NamedTuple):
    """The classes (None without labels) and the images, both nearest first."""

    request: Request
    classes: pd.DataFrame | None
    ranking: pd.DataFrame


class Classes(Panel[Request, Answer]):
    """The classes and the images nearest to the query, and the votes for one of them."""

    lane, phase = "one", "Ranking classes and images by ONE"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.answer: Answer | None = None
        self.subject: Subject | None = None  # of the votes that are shown
        self.sets = W.Dropdown(description="Sets of regions", options=SETS)
        self.lines = Text(lines=[line(WAITING)], live=True)
        self.table = LongTable(label="Classes, nearest first", columns=CLASSES)
        self.grid = Scroll(
            partial(thumbnail, session.bench), session.fail, label="Images ranked by ONE", look="ranked"
        )
        self.grid.size = "small"
        self.votes = VotesView(session)
        self.parts = (self.votes,)
        head, answers = W.Box([self.sets, self.lines]), W.Box([self.table, self.grid])
        self.body = W.VBox([answers, self.votes.hint, self.votes.body])
        head.add_class("wb-explained-controls")
        answers.add_class("wb-answers")
        self.widget = region("Classes", head, self.body)
        self.body.layout.display = "none"
        guard = session.guard
        self.sets.observe(guard(self.refresh), "value")
        self.table.on_pick(guard(self.explain_class))
        self.grid.observe(guard(lambda change: self.open(change["new"])), "current")
        self.watch_folding()
        session.observe(guard(self.refresh), ["ranking", "pipeline"])
        self.watch_question()
        session.observe(guard(lambda change: self.open(change["new"])), "image")
        self.refresh()

    # -- the answer

    def request(self) -> Request | None:
        session, ranked = self.session, self.session.ranked
        if ranked is None:
            return None
        query = session.query_named(ranked.query)
        refined = ranked.refined
        return Request(query, ranked.box, sets_of(str(self.sets.value), session.pipeline), refined)

    def dim(self, stale: bool) -> None:
        self.grid.stale = self.table.stale = self.lines.stale = stale
        if stale:
            self.votes.dim(True)

    def compute(self, request: Request, progress: Progress) -> Answer:
        bench, (query, box, pipeline, _) = self.session.bench, request
        depth = depth_of(bench.collection)
        ranking = bench.regions.rank(query.id, pipeline=pipeline, box=box, k=depth, progress=progress)
        classes = None
        if any(bench.collection.labels.values()):
            classes = bench.classify(query.id, pipeline=pipeline, box=box, k=None, progress=progress)
        return Answer(request, classes, ranking)

    def render_error(self, error: WorkbenchError) -> None:
        self.answer = self.votes.explained = None
        self.body.layout.display = "none"
        self.lines.lines = [line(str(error), "error")]

    def render(self, result: Answer) -> None:
        before, self.answer = self.answer, result
        request, classes, ranking = result
        collection = self.session.bench.collection
        label = collection.labels.get(request.query.image, "")
        note = [line(SET_ASIDE, "note")] if request.refined else []
        self.lines.lines = [*summary(classes, label, collection), *note]
        with self.table.hold_sync():
            self.table.chosen = []
            if classes is not None:
                self.table.show(class_frame(classes), partial(class_row, own=label))
        self.table.layout.display = "none" if classes is None else None
        self.body.layout.display = None
        self.grid.current = self.session.image
        self.grid.show(
            len(ranking), lambda start, stop: [figure(row) for row in ranking[start:stop].itertuples()]
        )
        if before and before.request.query == request.query and _listed(self.subject, result):
            assert self.subject is not None
            self.explain(self.subject)  # what was chosen meanwhile
        elif classes is not None and len(classes):
            self.explain(Subject(str(classes["label"].iloc[0]), None))
        elif image := first_result(ranking, request.query):
            self.explain(Subject(None, image))

    def update(self) -> None:
        self.votes.refresh()

    # -- the votes

    def open(self, image: str) -> None:
        """An image was chosen, here or in another panel: show its votes."""
        self.grid.current = image
        self.session.image = image
        if image in self.session.images:
            self.explain(Subject(None, image))

    def explain_class(self, label: str) -> None:
        """Show the votes for a class."""
        self.explain(Subject(label, None))

    def explain(self, subject: Subject) -> None:
        """Show the votes for a class or an image."""
        if self.answer is None or self.folded:
            return
        self.subject = subject
        self.table.chosen = [] if subject.label is None else [subject.label]
        query, box, pipeline, _ = self.answer.request
        self.votes.explain(query, box, pipeline, subject)


def _listed(subject: Subject | None, answer: Answer) -> bool:
    """Whether a subject is among the classes or the images of an answer."""
    if subject is None:
        return False
    if subject.label is None:
        return bool((answer.ranking["image_id"] == subject.image).any())
    return answer.classes is not None and bool((answer.classes["label"] == subject.label).any())
