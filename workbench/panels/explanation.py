"""Why an image was ranked where it was: a score taken apart over the query and the result beside it."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np

from workbench.collections.collection import Query
from workbench.panels.inliers import lines_between, verified
from workbench.panels.parts import columns, links, regions, rows, steps, words
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.study import NEGATIVE, POSITIVE, Asked, Study, rival, study
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.pairs import Links, Waterfall
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress

EXPLAINING, MATCHING = "explaining", "inliers"  # lanes
WAITING = "The explanation comes here once the collection is ranked; then choose a result."
NOTHING = "There is no result to explain: no other image was found."
ABSENT = {
    POSITIVE: "No true positive is known for this query.",
    NEGATIVE: "No negative stands above this one.",
}
FOLLOWED = ""  # the value of a select that follows the session


class Explanation:
    """Query and result under their heat, linked by their strongest pairs of regions, and the sum of those.

    Or, as a contrast, the query between two results: why the one comes before the other. Matches of keypoints
    that one homography explains may be drawn beside it, whatever the pipeline.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.study: Study | None = None
        self._explained: Asked | None = None  # what ``study`` answers
        self.held = -1  # the part that was picked
        self.query = W.Dropdown(description="Explained query")
        self.image = W.Dropdown(description="Explained image")
        self.contrast = W.ToggleButton(description="Why this one before that one?", disabled=True)
        self.inliers = W.ToggleButton(
            description="Inliers", tooltip="Draw the matches of keypoints that one homography explains"
        )
        self.against = Text()
        self.verified = Text()
        self.said = Text(lines=[line(WAITING)])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(3))
        self.links, self.matches = Links(), Links(kind="matches")
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.table = Table(label="Strongest parts of the score")
        self.above = Text()
        self.sum = Waterfall(label="How the parts add up")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        controls = W.Box([self.query, self.image, self.contrast, self.inliers, self.against])
        controls.add_class("wb-explained-controls")
        pictures = W.Box([*self.views, self.matches, self.links])
        pictures.add_class("wb-linked")
        sums = W.Box([W.VBox([self.above, self.table]), self.sum])
        sums.add_class("wb-sums")
        self.body = W.Box([W.VBox([pictures, self.scale]), sums])
        self.body.add_class("wb-explained")
        self.widget = region("Explanation", controls, self.said, self.verified, self.body)
        self._show(None)
        self.show_names(None)
        self.query.observe(session.guard(self.explain), "value")
        self.contrast.observe(session.guard(self.explain), "value")
        self.inliers.observe(session.guard(self.draw_inliers), "value")
        self.image.observe(session.guard(self.choose), "value")
        self.table.on_pick(session.guard(lambda row: self.pick(int(row))))
        for view in self.views:
            view.on_hover(session.guard(self.mark))
            view.on_pick(session.guard(self.pick))
        session.observe(session.guard(self.show_names), ["queries", "ranking"])
        session.observe(session.guard(self.explain), ["image", "ranking"])
        session.observe(session.guard(self.dim), ["pipeline", "query", "box"])
        self.explain(None)

    # -- what is asked

    def choose(self, change: Any) -> None:
        """An image was selected by name; what the session studies beyond the collection stays."""
        if change["new"] or self.session.image in self.session.bench.collection.images:
            self.session.image = change["new"] or ""

    def show_names(self, _: object) -> None:
        """Offer the images that there are."""
        images = self.session.bench.collection.images
        for select, followed in ((self.query, "the current query"), (self.image, "the first result")):
            if len(select.options) != len(images) + 1:
                kept = select.value if select.value in images else FOLLOWED
                select.options = [(followed, FOLLOWED), *((image, image) for image in images)]
                select.value = kept
        self._follow()

    def _follow(self) -> None:
        image = self.session.image
        self.image.value = image if image in self.session.bench.collection.images else FOLLOWED

    def asked(self) -> Asked | None:
        """The score to be explained now; None while there is no ranking, or no image but the query."""
        session, ranking, ranked = self.session, self.session.ranking, self.session.ranked
        images = session.bench.collection.images
        if ranking is None or ranked is None:
            return None
        if self.query.value:
            query, box, known, refined = Query(self.query.value, self.query.value), None, None, False
        else:
            query, box = session.queries.get(ranked.query) or Query(ranked.query, ranked.query), ranked.box
            known, refined = ranking, bool(ranked.also or ranked.feedback)
        image = session.image if session.image in images else self._first(query)
        if not image:
            return None
        return Asked(query, box, image, "", ranked.pipeline, known, refined)

    def _first(self, query: Query) -> str:
        """The first result that is not the query's own image."""
        best = (str(image) for image in self.session.ranking["image_id"].head(2))
        return next((image for image in best if image != query.image), "")

    def _offered(self, asked: Asked) -> Asked:
        """Offer to hold the image against another, where there is one; the contrast if that is wished."""
        collection = self.session.bench.collection
        other, what = ("", "") if asked.ranking is None else rival(asked.ranking, asked.image, collection)
        self.contrast.disabled = not other
        text = f"Against {what}: {other}" if other else ABSENT.get(what, "")
        self.against.lines = [line(text, "note")] if text else []
        return asked._replace(other=other) if self.contrast.value else asked

    # -- explaining

    def dim(self, _: object) -> None:
        """What is shown answers an older question, until the new ranking is there."""
        self._stale(self.study is not None)

    def explain(self, _: object) -> None:
        """Bring the panel up to date, in a worker."""
        self._follow()
        asked = self.asked()
        if asked is None:
            self.study = None
            self._show(None)
            self.said.lines = [line(WAITING if self.session.ranking is None else NOTHING)]
            return
        asked = self._offered(asked)
        self._stale(True)
        self.session.run(EXPLAINING, lambda progress: self._explain(asked, progress), DEBOUNCE)

    def _explain(self, asked: Asked, progress: Progress) -> None:
        made = study(self.session.bench, asked, progress)
        progress("Explaining", 1, 1)  # the last moment at which a newer request can still win
        self.study, self._explained, self.held = made, asked, -1
        self._show(made)
        self.draw_inliers(None)

    def draw_inliers(self, _: object) -> None:
        """Draw the verified matches of what is shown, in a worker of their own; or none."""
        made, asked = self.study, self._explained
        self.matches.links, self.verified.lines = [], []
        if self.inliers.value and made is not None and asked is not None:
            self.session.run(MATCHING, lambda progress: self._match(asked, made, progress))
        else:
            self.session.lane(MATCHING).cancel()

    def _match(self, asked: Asked, made: Study, progress: Progress) -> None:
        found = verified(self.session.bench, asked, made, progress)
        progress("Matching", 1, 1)
        if made is self.study:
            self.matches.links = lines_between(found)
            self.verified.lines = [line(one.said, "note") for one in found]

    def _stale(self, stale: bool) -> None:
        for part in (*self.views, self.links, self.matches, self.sum):
            part.stale = stale

    # -- showing

    def _show(self, made: Study | None) -> None:
        self.body.layout.display = "none" if made is None else ""
        if made is None:
            return
        contrast = len(made.views) == 3
        for number, view in enumerate(self.views):
            there = number < len(made.views)
            view.layout.display = "" if there else "none"
            if there:
                view.show(regions=regions(made.total, number), marked=-1, stale=False, **made.views[number])
            else:  # no picture is kept that nobody sees
                view.show(np.zeros((0, 0)), picture=b"", regions=[], outlines=[], stale=False)
        self.scale.top = made.views[0]["top"]
        with self.links.hold_sync():
            self.links.links, self.links.marked, self.links.stale = links(made.total), -1, False
        self.said.lines = made.lines
        self.above.lines = [line(words(made.total), "note")]
        with self.table.hold_sync():
            self.table.columns, self.table.rows, self.table.chosen = columns(contrast), rows(made.total), []
        with self.sum.hold_sync():
            self.sum.steps = steps(made.total, "A − B" if contrast else "score")
            self.sum.marked, self.sum.stale = -1, False

    def pick(self, number: int) -> None:
        """Keep a part emphasised; picked once more, it is let go."""
        self.held = -1 if number == self.held else number
        self.mark(-1)

    def mark(self, number: int) -> None:
        """Emphasise a part everywhere; with -1 the one that was picked, if any."""
        there = number if number >= 0 else self.held
        for part in (*self.views, self.links, self.sum):
            part.marked = there
        self.table.chosen = [str(there)] if there >= 0 else []
