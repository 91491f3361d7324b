"""The explanation panel: a score split into contributions of the query and of the result beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import Query
from workbench.common.progress import Progress
from workbench.panels.base import Panel
from workbench.panels.combined_query import join_region
from workbench.panels.contributions import mark
from workbench.panels.explanation import inliers
from workbench.panels.explanation.files import files
from workbench.panels.explanation.parts import PartsRequest, PartsStudy, PartsView, study_parts
from workbench.panels.explanation.rows import ends, links, pair_bars, regions, side_bars
from workbench.panels.score_explanation import NEGATIVE, POSITIVE, Request, Study, rival, study
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.links import Links
from workbench.panels.widgets.name_field import NameField
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.region_bars import RegionBars

WAITING = "The explanation appears here once the collection is ranked; then choose a result."
NOTHING = "There is no result to explain: the ranking has no other image."
ABSENT = {
    POSITIVE: "No true positive is known for this query.",
    NEGATIVE: "No negative is ranked above this image.",
}
AnyRequest = Request | PartsRequest
FOLLOWED = ""  # value of a field that follows the session


class Explanation(Panel[AnyRequest, tuple[AnyRequest, Study | PartsStudy]]):
    """Query and result under their heat, and the sums of the score over the regions of each as bars.

    Pointing at a bar or at a region lights it in its picture, with its strongest partner in the other one.

    For words and combined queries, the result under the heat of each part, and the sum over the parts.
    With ``contrast`` on, the query between two results: why one is ranked before the other. Matches of
    keypoints that one homography explains may be drawn too, whatever the pipeline.
    """

    lane, phase = "explaining", "Explaining"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.study: Study | None = None
        self._explained: Request | None = None  # the request of ``study``
        self.held = ""  # the mark of the picked region or pair
        self.query = NameField("Explained query", [("the current query", FOLLOWED)])
        self.image = NameField("Explained image", [("the first result", FOLLOWED)])
        self.contrast = W.ToggleButton(description="Why this one before that one?", disabled=True)
        self.inliers = inliers.Inliers(session, self._inliers_request)
        self.parts = (self.inliers,)
        self.against = Text()
        self.lines = Text(lines=[line(WAITING)])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(3))
        self.links = Links()
        self.download = Download()
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.bars = tuple(RegionBars() for _ in self.views)
        self.pairs = RegionBars(folded=True)
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        head = W.Box([self.lines, self.contrast, self.inliers.switch, self.against])
        head.add_class("wb-explained-head")
        pictures = W.Box([*self.views, self.inliers.links, self.links])
        pictures.add_class("wb-linked")
        bars = W.Box([*self.bars])
        bars.add_class("wb-sides")
        tools = W.Box([self.scale, self.download])
        tools.add_class("wb-explained-tools")
        self.body = W.Box([pictures, bars, tools, self.pairs])
        self.body.add_class("wb-explained")
        names = W.Box([self.query, self.image])
        names.add_class("wb-explained-names")
        self.combined = PartsView()
        self.combined.bars.on_pick(session.guard(self.combined.pick))
        shown = (self.body, self.combined.widget)
        self.widget = region("Explanation", head, self.inliers.text, *shown, names)
        self._show(None)
        self.show_names(None)
        self.query.observe(session.guard(self.refresh), "value")
        self.contrast.observe(session.guard(self.refresh), "value")
        self.image.observe(session.guard(self.choose), "value")
        for part in (*self.bars, self.pairs):
            part.on_point(session.guard(self.mark))
            part.on_pick(session.guard(self.pick))
        for number, view in enumerate(self.views):
            view.on_hover(session.guard(partial(self._mark_region, number)))
            view.on_pick(session.guard(partial(self._pick_region, number)))
        for view in (*self.views, *self.combined.views):
            view.on_region(lambda *region: session.guard(lambda _: join_region(session, *region))(None))
        session.observe(session.guard(self.show_names), ["queries", "ranking"])
        session.observe(session.guard(self.refresh), ["image", "ranking"])
        self.watch_question()
        self.watch_folding()
        self.refresh()

    # -- the request

    def choose(self, change: Any) -> None:
        """An image was selected by name; an image outside the collection stays the session's."""
        if change["new"] or self.session.image in self.session.images:
            self.session.image = change["new"] or ""

    def show_names(self, _: object) -> None:
        """Offer the images of the collection."""
        for field in (self.query, self.image):
            field.offer(self.session.images)
        self._follow()

    def _follow(self) -> None:
        image = self.session.image
        self.image.value = image if image in self.session.images else FOLLOWED

    def request(self) -> AnyRequest | None:
        session, ranking, ranked = self.session, self.session.ranking, self.session.ranked
        self._follow()
        if ranking is None or ranked is None:
            return None
        if self.query.value:
            query, box, known, refined = Query(self.query.value, self.query.value), None, None, False
        else:
            query, box = session.query_named(ranked.query), ranked.box
            known, refined = ranking, ranked.refined
        combined = ranked.expression if not self.query.value else ""
        first = first_result(ranking, Query("", "") if combined else query)
        image = session.image if session.image in session.images else first
        if not image:
            return None
        if combined:
            return PartsRequest(combined, image, ranked.pipeline, ranking, ranked.feedback is not None)
        other = self._offer_rival(known, image)
        return Request(query, box, image, other, ranked.pipeline, known, refined)

    def _offer_rival(self, ranking: pd.DataFrame | None, image: str) -> str:
        """Offer to compare the image with another; returns that one if the comparison is switched on."""
        collection = self.session.bench.collection
        other, kind = ("", "") if ranking is None else rival(ranking, image, collection)
        self.contrast.disabled = not other
        text = f"Against {kind}: {other}" if other else ABSENT.get(kind, "")
        self.against.lines = [line(text, "note")] if text else []
        self.contrast.tooltip = text or "The scores of two results, as a difference"
        return other if self.contrast.value else ""

    # -- the result

    def dim(self, stale: bool) -> None:
        lines, texts = (self.links, self.inliers.links), (self.lines, self.against, self.inliers.text)
        for part in (*self.views, *lines, *self.bars, self.pairs, self.download, *texts):
            part.stale = stale
        self.combined.dim(stale)

    def compute(self, request: AnyRequest, progress: Progress) -> tuple[AnyRequest, Study | PartsStudy]:
        if isinstance(request, PartsRequest):
            return request, study_parts(self.session.bench, request, progress)
        return request, study(self.session.bench, request, progress)

    def render(self, result: tuple[AnyRequest, Study | PartsStudy]) -> None:
        request, shown = result
        self.held = ""
        for part in (self.contrast, self.inliers.switch, self.against):  # of two pictures
            part.layout.display = "none" if isinstance(shown, PartsStudy) else None
        if isinstance(shown, PartsStudy):
            self.render_nothing()
            self.combined.show(shown)
            self.lines.lines = shown.lines
        elif isinstance(request, Request):
            self._explained, self.study = request, shown
            self.combined.show(None)
            self._show(shown)
        self.inliers.refresh()

    def render_nothing(self) -> None:
        self.study = self._explained = None
        self._show(None)
        self.combined.show(None)
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
        sides = study.regions.sides
        for number, (view, bars) in enumerate(zip(self.views, self.bars, strict=True)):
            used = number < len(study.views)
            for part in (view, bars):
                part.layout.display = "" if used else "none"
            if used:
                side = sides[number]
                view.show(regions=regions(side), marked=-1, stale=False, **study.views[number])
                tops = ends(study.regions, side.total.name)
                bars.show(
                    pictures=[study.small[number]], marked="", stale=False, **side_bars(side, number, *tops)
                )
            else:  # free the picture, which is not visible
                view.show(np.zeros((0, 0)), picture=b"", regions=[], outlines=[], stale=False)
                bars.show(pictures=[], bars=[])
        self.scale.top = study.views[0]["top"]
        if self._explained is not None:
            self.download.offer(files(self.session.bench, self._explained, study))
        with self.links.hold_sync():
            self.links.links, self.links.marked, self.links.stale = links(study.regions), "", False
        self.pairs.show(pictures=[*study.small], marked="", stale=False, **pair_bars(study.regions))
        self.lines.lines = study.lines

    # -- pointing

    def pick(self, marking: str) -> None:
        """Keep a region or a pair lit; a second pick releases it."""
        self.held = "" if marking == self.held else marking
        self.mark("")

    def mark(self, marking: str) -> None:
        """Light a region or a pair in all views; the empty mark stands for the picked one, if any."""
        if self.study is None:
            return
        marked = marking or self.held
        lit = self.study.regions.marked(marked)
        for number, (view, bars) in enumerate(zip(self.views, self.bars, strict=True)):
            view.marked = lit[number] if number < len(lit) else -1
            bars.marked = mark(number, view.marked) if view.marked >= 0 else ""
        self.links.marked = self.pairs.marked = marked

    def _mark_region(self, view: int, number: int) -> None:
        self.mark(mark(view, number) if number >= 0 else "")

    def _pick_region(self, view: int, number: int) -> None:
        self.pick(mark(view, number))
