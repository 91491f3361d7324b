"""The query panel: a query in words, by a sketch, by pictures, or by all of them together."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets as W

from workbench.collections.uploads import display_name, store_upload
from workbench.common.progress import Progress
from workbench.panels.combined_query import join_query, picture_place
from workbench.panels.query.crop import QueryImage
from workbench.panels.query.feedback import FeedbackControls
from workbench.panels.query.parts import PartControls
from workbench.panels.query.sketch import SketchControls
from workbench.panels.query.text import QueryText
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.name_field import NameField
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.thumbnail_row import Token, Tokens
from workbench.panels.widgets.uploads import Uploads
from workbench.query.query import Query

PAGE = 60  # thumbnails shown at once
MOST = 1200  # names that contain a text: twenty pages
FEW = 12  # queries: with more, there is a field to search for names
UPLOAD = "upload"  # the lane in which files are read


def hardest(evaluation: Any) -> list[str]:
    """The quarter of the queries with the lowest AP, the hardest first."""
    rows = evaluation.per_query.dropna(subset="ap").sort_values("ap", kind="stable")
    return list(rows["query"].head(math.ceil(len(rows) / 4)))


class QueryPicker:
    """Words, sketch and parts of a query, the select ``Query``, its image with its box, and feedback."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names: Sequence[str] = ()  # of the thumbnails on all pages
        self.page = -1
        self.select = NameField("Query")
        self.hard = W.Button(description="Hard query")
        self.upload = Uploads()
        self.image = QueryImage(session)
        self.also = Tokens(label="Further queries")
        self.mean = Text()
        self.feedback = FeedbackControls(session)
        self.find = W.Text(description="Find", placeholder="part of a name")
        self.add = W.ToggleButton(
            description="Add to query", tooltip="While pressed, words, drawings and pictures join the query"
        )
        self.text = QueryText(session, self.joins)
        self.sketch = SketchControls(session, self.joins)
        self.chips = PartControls(session)
        self.strip = Grid(label="Queries", look="strip", pick=True)
        self.earlier = W.Button(description="‹", tooltip="Earlier queries")
        self.later = W.Button(description="›", tooltip="Later queries")
        self.place = Text()
        self.pages = W.Box([self.earlier, self.place, self.later])
        self.pages.add_class("wb-pages")
        choosing, finding = (
            W.Box([self.select, self.hard, Help("hard query"), self.upload]),
            W.Box([self.find]),
        )
        words = W.Box([self.text.words, Help("combined query")])
        words.add_class("wb-asking")
        joining = W.Box([self.add, self.sketch.switch, self.feedback.undo])
        joining.add_class("wb-joining")
        choosing.add_class("wb-choosing")
        finding.add_class("wb-finding")
        text = (words, joining, self.sketch.canvas, self.chips.widget, self.text.whole)
        picture = (choosing, self.image.crop, self.also, self.mean)
        self.widget = region(
            "Query", *text, *picture, *self.feedback.widgets, finding, self.strip, self.pages
        )
        self._named = session.guard(self.choose)
        self.select.observe(self._named, "value")
        self.show_names(None)
        self.show_also(None)
        self.show_hard(None)
        self.strip.on_pick(session.guard(self.take))
        self.also.on_remove(session.guard(self.drop))
        self.upload.on_file(self.receive, session.guard)
        self.hard.on_click(session.guard(self.draw))
        self.find.observe(session.guard(self.search), "value")
        self.earlier.on_click(session.guard(lambda _: self.turn(self.page - 1)))
        self.later.on_click(session.guard(lambda _: self.turn(self.page + 1)))
        session.observe(session.guard(self.show), ["query", "expression"])
        self.sketch.switch.observe(session.guard(self.show_picture), "value")
        session.observe(session.guard(self.show_names), "queries")
        session.observe(session.guard(self.show_also), "also")
        session.observe(session.guard(self.show_hard), ["evaluation", "pipeline"])

    def joins(self) -> bool:
        """Whether what is given joins the query."""
        return bool(self.add.value)

    def choose(self, change: Any) -> None:
        """A name was selected."""
        if change["new"] not in (None, self._chosen_picture()):  # the name of a part is not chosen
            self.session.choose(change["new"])

    def take(self, name: str) -> None:
        """Search with that query, or add it to the query while ``Add to query`` is pressed."""
        session = self.session
        if not self.joins():
            session.choose(name)
        elif session.expression:
            join_query(session, Query.image(name))
        elif name != session.query and name not in session.also:
            session.also = (*session.also, name)

    def drop(self, name: str) -> None:
        """One of the further queries was clicked: remove it."""
        self.session.also = tuple(other for other in self.session.also if other != name)

    def draw(self, _: object) -> None:
        """Choose one of the hardest queries at random, but not the current one."""
        session = self.session
        others = [name for name in hardest(session.evaluation) if name != session.query]
        session.choose(random.choice(others or [session.query]))

    def receive(self, name: str, data: bytes) -> None:
        """A file was chosen or pasted: read it in a worker, then search with it."""

        def work(progress: Progress) -> None:
            progress("Reading the image", 0, 1)
            path = store_upload(data, name, self.session.bench.options.cache)
            progress("Reading the image", 1, 1)
            self.session.add_file(path)
            self.take(str(path))

        self.session.run(UPLOAD, work)

    def search(self, change: Any) -> None:
        """Show the thumbnails whose names contain the text."""
        self.names, self.page = self.matching(), -1
        self.turn(0)

    def matching(self) -> Sequence[str]:
        """The first queries whose names contain the text of ``Find``, in order; case does not matter."""
        queries = self.session.queries
        if not self.find.value.strip():
            return queries.names
        return [queries.names[row] for row in sorted(queries.search.rows(self.find.value, MOST))]

    def on_page(self) -> Sequence[str]:
        """The names of the queries on this page."""
        return self.names[self.page * PAGE : (self.page + 1) * PAGE]

    def turn(self, page: int) -> None:
        """Show another page of thumbnails."""
        last = max(0, (len(self.names) - 1) // PAGE)
        page = min(max(page, 0), last)
        if page != self.page:
            self.page = page
            names = self.on_page()
            self.strip.load(lambda: self._thumbnails(names))
            first = page * PAGE + 1
            some = "the first " if self.find.value.strip() and len(self.names) == MOST else ""
            count = f"{first:,}–{first + len(names) - 1:,} of {some}{len(self.names):,}"
            self.place.lines = [line(count, "note")]
            self.earlier.disabled, self.later.disabled = page == 0, page == last
            self.pages.layout.display = "flex" if last else "none"
        query = self._chosen_picture()
        self.strip.chosen = self.on_page().index(query) if query in self.on_page() else -1

    def show_names(self, _: object) -> None:
        """Show the names and thumbnails of the session's queries."""
        self.names, self.page = self.matching(), -1
        self.find.layout.display = "flex" if len(self.session.queries) > FEW else "none"
        # A name that is no longer offered is given up, which the user did not choose.
        self.select.unobserve(self._named, "value")
        self.select.offer(self.session.queries.search)
        self.show(None)
        self.select.observe(self._named, "value")

    def show(self, _: object) -> None:
        """Show the session's query: its name, and the page with its thumbnail."""
        query = self._chosen_picture()
        if query in self.session.queries:
            self.select.value = query
            self.turn(self.names.index(query) // PAGE if query in self.names else self.page)
        elif self.session.expression:
            self.select.value = None
            self.turn(self.page)
        self.show_picture(None)

    def show_picture(self, _: object) -> None:
        """Show the query's picture if it is searched for and nothing is drawn."""
        hidden = self.sketch.switch.value or not self._chosen_picture()
        self.image.crop.layout.display = "none" if hidden else None

    def _chosen_picture(self) -> str:
        """The picture that is the query or a part of it; empty if there is none."""
        session = self.session
        return "" if session.expression and picture_place(session) < 0 else session.query

    def show_also(self, _: object) -> None:
        """Show the further queries."""
        also = self.session.also
        self.also.load(lambda: self._tokens(also))
        text = f"The query is the mean of {len(also) + 1} descriptors"
        self.mean.lines = [line(text, "note")] if also else []

    def show_hard(self, _: object) -> None:
        """Offer a hard query if the pipeline is evaluated."""
        session, evaluation = self.session, self.session.evaluation
        evaluated = evaluation is not None and evaluation.pipeline == session.pipeline
        self.hard.disabled = not evaluated
        if evaluated:
            self.hard.tooltip = "A random query of the quarter with the lowest AP"
        elif session.bench.collection.protocol is None:
            self.hard.tooltip = "Not known: this collection has no ground truth"
        else:
            self.hard.tooltip = "Known once this pipeline is evaluated"

    def _thumbnails(self, names: Sequence[str]) -> Iterator[Figure]:
        for name in names:
            yield {"id": name, "picture": self._picture(name), "alt": "", "name": display_name(name)}

    def _tokens(self, names: tuple[str, ...]) -> Iterator[Token]:
        for name in names:
            yield {"id": name, "name": display_name(name), "picture": self._picture(name)}

    def _picture(self, name: str) -> bytes:
        query = self.session.query_named(name)
        return thumbnail(self.session.bench, query.image, 96, query.box)
