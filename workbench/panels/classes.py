"""ONE on screen: a query answered as a class and as a ranking at once, and which region voted for what."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import Box, Query
from workbench.config import WorkbenchError
from workbench.explain_one import Evidence
from workbench.panels.one_words import CLASSES, SETS, VOTES, class_rows, said, sets_of
from workbench.panels.parts import Sum, links, regions, rows, steps, votes, words
from workbench.panels.results import figure
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.widgets.grid import Figure, Grid, Scroll, thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.pairs import Links, Waterfall
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress

LANE, EVIDENCE = "one", "votes"
SIDE = 640  # pixels of a picture's longest side
WAITING = "Classes and images come here once the collection's regions are described."
HINT = "Choose a class or an image to see which regions voted for it."


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
        self.evidence: Evidence | None = None
        self.total: Sum | None = None
        self.shown, self.held = "", -1  # the image beside the query, and the vote that was picked
        self.sets = W.Dropdown(description="Sets of regions", options=SETS)
        self.said = Text(lines=[line(WAITING)], live=True)
        self.table = Table(label="Classes, nearest first", columns=CLASSES)
        self.grid = Scroll(
            partial(thumbnail, session.bench), session.fail, label="Images ranked by ONE", look="ranked"
        )
        self.grid.size = "small"
        self.hint = Text(lines=[line(HINT, "note")])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(2))
        self.links = Links()
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.strip = Grid(label="Images that voted", look="strip", pick=True)
        self.above = Text()
        self.votes = Table(label="Strongest votes", columns=VOTES)
        self.sum = Waterfall(label="How the votes add up")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        head, answers = W.Box([self.sets, self.said]), W.Box([self.table, self.grid])
        pictures = W.Box([*self.views, self.links])
        sums = W.Box([W.VBox([self.above, self.votes]), self.sum])
        explained = W.Box([W.VBox([pictures, self.scale, self.strip]), sums])
        self.body = W.VBox([answers, self.hint, explained])
        self.explained = explained
        for box, name in (
            (head, "explained-controls"),
            (answers, "answers"),
            (pictures, "linked"),
            (sums, "sums"),
            (explained, "explained"),
        ):
            box.add_class(f"wb-{name}")
        self.widget = region("Classes", head, self.body)
        self._show_parts(False, False)
        guard = session.guard
        self.sets.observe(guard(self.look), "value")
        self.table.on_pick(guard(self.explain_class))
        self.grid.observe(guard(lambda change: self.open(change["new"])), "current")
        self.strip.on_pick(guard(self.turn))
        self.votes.on_pick(guard(lambda row: self.pick(int(row))))
        for view in self.views:
            view.on_hover(guard(self.mark))
            view.on_pick(guard(self.pick))
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
            self._show_parts(False, False)
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
            self.hint.lines = [line(str(error), "note")]
            self._show_parts(True, False)
            return
        voters = self._voters(why)
        shown = list(why.image_heatmaps) if not voters else [one["id"] for one in voters]
        pictures = [
            thumbnail(bench, asked.query.image, SIDE, asked.box or asked.query.box),
            thumbnail(bench, shown[0], SIDE),
        ]
        progress("Explaining", 1, 1)
        self.subject, self.evidence, self.total, self.held = subject, why, votes(why), -1
        self.strip.figures = voters if len(voters) > 1 else []
        self._show_query(asked, pictures[0])
        self._show_image(shown[0], pictures[1])
        self._show_sum(subject)
        self._show_parts(True, True)
        self._stale(False)

    def _voters(self, why: Evidence) -> list[Figure]:
        """Those that voted, by what they add, each with the region that adds most."""
        added = why.votes.groupby("image_id")["contribution"].agg(["sum", "size"])
        made: list[Figure] = []
        for image in added["sum"].sort_values(ascending=False, kind="stable").index:
            best = why.votes[why.votes["image_id"] == image]["image_region"].iloc[0]
            count, total = int(added["size"][image]), float(added["sum"][image])
            text = f"{count} vote{'s' * (count != 1)}"
            made.append(
                {
                    "id": image,
                    "picture": thumbnail(self.session.bench, image, 160),
                    "alt": "",
                    "name": f"{image}, {text}, adds {total:.3f}",
                    "score": f"{count}×",
                    "box": why.image_regions[image][best].tolist(),
                }
            )
        return made

    def turn(self, number: int) -> None:
        """One of those that voted was picked: it stands beside the query."""
        image = str(self.strip.figures[number]["id"])
        self._show_image(image, thumbnail(self.session.bench, image, SIDE))

    # -- showing

    def _show_answer(self, answered: Answered) -> None:
        collection, asked = self.session.bench.collection, answered.asked
        true = collection.labels.get(asked.query.image, "")
        self.said.lines = said(answered.classes, true, collection)
        with self.table.hold_sync():
            self.table.rows = [] if answered.classes is None else class_rows(answered.classes, true)
            self.table.chosen = []
        self.table.layout.display = "none" if answered.classes is None else None
        ranking = answered.ranking
        self.grid.current = self.session.image
        self.grid.show(
            len(ranking), lambda start, stop: [figure(row) for row in ranking[start:stop].itertuples()]
        )

    def _show_query(self, asked: Asked, picture: bytes) -> None:
        assert self.evidence is not None and self.total is not None
        self.views[0].show(
            self.evidence.query_heatmap,
            picture=picture,
            name=asked.query.id,
            alt=f"Query {asked.query.id}, under its heat",
            regions=[{**one, "group": ""} for one in regions(self.total, 0)],
            marked=-1,
            top=self._top(),
        )

    def _show_image(self, image: str, picture: bytes) -> None:
        assert self.evidence is not None and self.total is not None
        self.shown = image
        self.views[1].show(
            self.evidence.image_heatmaps[image],
            picture=picture,
            name=image,
            alt=f"Voting image {image}, under its heat",
            regions=regions(self.total, 1),
            shown=[image],
            marked=self.held,
            top=self._top(),
        )
        self.scale.top = self._top()
        self.strip.chosen = next((n for n, one in enumerate(self.strip.figures) if one["id"] == image), -1)
        lines = zip(links(self.total), self.total.parts, strict=True)
        with self.links.hold_sync():
            self.links.links = [one for one, part in lines if part.image == image]
            self.links.marked = self.held

    def _show_sum(self, subject: Subject) -> None:
        assert self.total is not None
        what = f"the class {subject.label}" if subject.label is not None else str(subject.image)
        self.hint.lines = [line(f"Votes for {what}: score {self.total.whole:.3f}", "numbers")]
        self.above.lines = [line(words(self.total), "note")]
        with self.votes.hold_sync():
            self.votes.rows, self.votes.chosen = rows(self.total), []
        with self.sum.hold_sync():
            self.sum.steps, self.sum.marked = steps(self.total, "score"), -1

    def _top(self) -> float:
        assert self.evidence is not None
        every = [self.evidence.query_heatmap, *self.evidence.image_heatmaps.values()]
        return max(float(np.abs(heat).max()) for heat in every) or 1.0

    def _show_parts(self, answer: bool, explained: bool) -> None:
        self.body.layout.display = None if answer else "none"
        self.explained.layout.display = None if explained else "none"

    def _stale(self, stale: bool) -> None:
        for part in (*self.views, self.links, self.sum, self.grid):
            part.stale = stale

    def pick(self, number: int) -> None:
        """Keep a vote emphasised, beside the image that has it; picked once more, it is let go."""
        self.held = -1 if number == self.held else number
        if self.held >= 0 and self.total is not None and self.total.parts[number].image != self.shown:
            image = self.total.parts[number].image
            self._show_image(image, thumbnail(self.session.bench, image, SIDE))
        self.mark(-1)

    def mark(self, number: int) -> None:
        """Emphasise a vote everywhere; with -1 the one that was picked, if any."""
        there = number if number >= 0 else self.held
        parts: tuple[Any, ...] = (*self.views, self.links, self.sum)
        for part in parts:
            part.marked = there
        self.votes.chosen = [str(there)] if there >= 0 else []
