"""The explanation panel: a score split into contributions of the query and of the result beside it."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import Query
from workbench.common.progress import Progress
from workbench.figures.contributions import contributions
from workbench.panels.base import Panel
from workbench.panels.contributions import columns, links, regions, rows, words
from workbench.panels.explanation import inliers
from workbench.panels.explanation.files import files
from workbench.panels.score_explanation import NEGATIVE, POSITIVE, Request, Study, rival, study
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.links import Links
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table

WAITING = "The explanation appears here once the collection is ranked; then choose a result."
NOTHING = "There is no result to explain: the ranking has no other image."
ABSENT = {
    POSITIVE: "No true positive is known for this query.",
    NEGATIVE: "No negative is ranked above this image.",
}
FOLLOWED = ""  # value of a select that follows the session


class Explanation(Panel[Request, tuple[Request, Study]]):
    """Query and result under their heat, linked by the query's strongest regions, and the sum of all regions.

    With ``contrast`` on, the query between two results: why one is ranked before the other. Matches of
    keypoints that one homography explains may be drawn too, whatever the pipeline.
    """

    lane, phase = "explaining", "Explaining"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.study: Study | None = None
        self._explained: Request | None = None  # the request of ``study``
        self.held = -1  # the picked part
        self.query = W.Dropdown(description="Explained query")
        self.image = W.Dropdown(description="Explained image")
        self.contrast = W.ToggleButton(description="Why this one before that one?", disabled=True)
        self.inliers = inliers.Inliers(session, self._inliers_request)
        self.parts = (self.inliers,)
        self.against = Text()
        self.lines = Text(lines=[line(WAITING)])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(3))
        self.links = Links()
        self.download = Download()
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.table = Table(label="Strongest regions of the score")
        self.above = Text()
        self.sum = Plot(label="How the regions add up")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        controls = W.Box([self.query, self.image, self.contrast, self.inliers.switch, self.against])
        controls.add_class("wb-explained-controls")
        pictures = W.Box([*self.views, self.inliers.links, self.links])
        pictures.add_class("wb-linked")
        sums = W.Box([W.VBox([self.above, self.table]), self.sum])
        sums.add_class("wb-sums")
        self.body = W.Box([W.VBox([pictures, self.scale, self.download]), sums])
        self.body.add_class("wb-explained")
        self.widget = region("Explanation", controls, self.lines, self.inliers.text, self.body)
        self._show(None)
        self.show_names(None)
        self.query.observe(session.guard(self.refresh), "value")
        self.contrast.observe(session.guard(self.refresh), "value")
        self.image.observe(session.guard(self.choose), "value")
        self.table.on_pick(session.guard(lambda row: self.pick(int(row))))
        self.sum.on_pick(session.guard(self.pick_bar))
        for view in self.views:
            view.on_hover(session.guard(self.mark))
            view.on_pick(session.guard(self.pick))
        session.observe(session.guard(self.show_names), ["queries", "ranking"])
        session.observe(session.guard(self.refresh), ["image", "ranking"])
        self.watch_question()
        self.watch_folding()
        self.refresh()

    # -- the request

    def choose(self, change: Any) -> None:
        """An image was selected by name; an image outside the collection stays the session's."""
        if change["new"] or self.session.image in self.session.bench.collection.images:
            self.session.image = change["new"] or ""

    def show_names(self, _: object) -> None:
        """Offer the images of the collection."""
        images = self.session.bench.collection.images
        for select, followed in ((self.query, "the current query"), (self.image, "the first result")):
            if len(select.options) != len(images) + 1:
                value = select.value if select.value in images else FOLLOWED
                select.options = [(followed, FOLLOWED), *((image, image) for image in images)]
                select.value = value
        self._follow()

    def _follow(self) -> None:
        image = self.session.image
        self.image.value = image if image in self.session.bench.collection.images else FOLLOWED

    def request(self) -> Request | None:
        session, ranking, ranked = self.session, self.session.ranking, self.session.ranked
        images = session.bench.collection.images
        self._follow()
        if ranking is None or ranked is None:
            return None
        if self.query.value:
            query, box, known, refined = Query(self.query.value, self.query.value), None, None, False
        else:
            query, box = session.query_named(ranked.query), ranked.box
            known, refined = ranking, bool(ranked.also or ranked.feedback)
        image = session.image if session.image in images else first_result(ranking, query)
        if not image:
            return None
        other = self._offer_rival(known, image)
        return Request(query, box, image, other, ranked.pipeline, known, refined)

    def _offer_rival(self, ranking: pd.DataFrame | None, image: str) -> str:
        """Offer to compare the image with another; returns that one if the comparison is switched on."""
        collection = self.session.bench.collection
        other, kind = ("", "") if ranking is None else rival(ranking, image, collection)
        self.contrast.disabled = not other
        text = f"Against {kind}: {other}" if other else ABSENT.get(kind, "")
        self.against.lines = [line(text, "note")] if text else []
        return other if self.contrast.value else ""

    # -- the result

    def dim(self, stale: bool) -> None:
        texts = self.lines, self.above, self.against, self.inliers.text, self.download
        for part in (
            *self.views,
            self.links,
            self.inliers.links,
            self.sum,
            self.table,
            self.download,
            *texts,
        ):
            part.stale = stale

    def compute(self, request: Request, progress: Progress) -> tuple[Request, Study]:
        return request, study(self.session.bench, request, progress)

    def render(self, result: tuple[Request, Study]) -> None:
        self._explained, self.study = result
        self.held = -1
        self._show(self.study)
        self.inliers.refresh()

    def render_nothing(self) -> None:
        self.study = self._explained = None
        self._show(None)
        self.lines.lines = [line(WAITING if self.session.ranking is None else NOTHING)]

    def _inliers_request(self) -> inliers.Request | None:
        if self.study is None or self._explained is None:
            return None
        return inliers.Request(self._explained, self.study.images)

    # -- showing

    def _show(self, study: Study | None) -> None:
        self.body.layout.display = "none" if study is None else ""
        if study is None:
            return
        for number, view in enumerate(self.views):
            used = number < len(study.views)
            view.layout.display = "" if used else "none"
            if used:
                view.show(
                    regions=regions(study.listing, number), marked=-1, stale=False, **study.views[number]
                )
            else:  # free the picture, which is not visible
                view.show(np.zeros((0, 0)), picture=b"", regions=[], outlines=[], stale=False)
        self.scale.top = study.views[0]["top"]
        if self._explained is not None:
            self.download.offer(files(self.session.bench, self._explained, study))
        with self.links.hold_sync():
            self.links.links, self.links.marked, self.links.stale = links(study.listing), -1, False
        self.lines.lines = study.lines
        self.above.lines = [line(words(study.listing), "note")]
        with self.table.hold_sync():
            self.table.columns, self.table.rows = columns(study.listing), rows(study.listing)
            self.table.chosen = []
        with self.sum.hold_sync():
            self.sum.show(contributions(study.listing.total, *study.subject))
            self.sum.current, self.sum.stale = "", False

    def pick_bar(self, point: str) -> None:
        """A bar of the sum was picked; that of a level or of its other regions is no part."""
        if self.study is not None and (number := self.study.listing.part_at(point)) >= 0:
            self.pick(number)

    def pick(self, number: int) -> None:
        """Keep a part emphasised; a second pick releases it."""
        self.held = -1 if number == self.held else number
        self.mark(-1)

    def mark(self, number: int) -> None:
        """Emphasise a part in all views; -1 stands for the picked one, if any."""
        marked = number if number >= 0 else self.held
        for part in (*self.views, self.links):
            part.marked = marked
        self.sum.current = "" if self.study is None else self.study.listing.point_of(marked)
        self.table.chosen = [str(marked)] if marked >= 0 else []
