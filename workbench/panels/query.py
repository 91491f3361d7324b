"""Choosing what is searched for: by name, or by picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ipywidgets as W

from workbench.collections.images import inspect
from workbench.panels.grid import Figure, Grid, thumbnail
from workbench.panels.region import Text, line, region
from workbench.panels.session import Session

PAGE = 60  # thumbnails shown at once


class QueryPicker:
    """The select ``Query``, the query's image with its box, and thumbnails of the queries by page."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names: list[str] = []
        self.page = -1
        self.select = W.Dropdown(description="Query")
        self.chosen = Grid(label="The query", look="single", empty="There is no image to search with.")
        self.strip = Grid(label="Queries", look="strip", pick=True)
        self.earlier = W.Button(description="‹", tooltip="Earlier queries")
        self.later = W.Button(description="›", tooltip="Later queries")
        self.place = Text()
        self.pages = W.Box([self.earlier, self.place, self.later])
        self.pages.add_class("wb-pages")
        self.widget = region("Query", self.select, self.chosen, self.strip, self.pages)
        self._named = session.guard(self.choose)
        self.select.observe(self._named, "value")
        self.show_names(None)
        self.strip.on_pick(session.guard(self.pick))
        self.earlier.on_click(session.guard(lambda _: self.turn(self.page - 1)))
        self.later.on_click(session.guard(lambda _: self.turn(self.page + 1)))
        session.observe(session.guard(self.show), "query")
        session.observe(session.guard(self.show_names), "queries")

    def choose(self, change: Any) -> None:
        """A name was selected."""
        if change["new"] is not None:
            self.session.choose(change["new"])

    def pick(self, number: int) -> None:
        """A thumbnail of this page was picked."""
        self.session.choose(self.on_page()[number])

    def on_page(self) -> list[str]:
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
            self.place.lines = [line(f"{first:,}–{first + len(names) - 1:,} of {len(self.names):,}", "note")]
            self.earlier.disabled, self.later.disabled = page == 0, page == last
        query = self.session.query
        self.strip.chosen = self.on_page().index(query) if query in self.on_page() else -1

    def show_names(self, _: object) -> None:
        """Bring names and pages in line with the session's queries."""
        self.names, self.page = list(self.session.queries), -1
        self.pages.layout.display = "flex" if len(self.names) > PAGE else "none"
        # New options make the select fall back to its first, which nobody chose.
        self.select.unobserve(self._named, "value")
        self.select.options = self.names
        self.show(None)
        self.select.observe(self._named, "value")

    def show(self, _: object) -> None:
        """Bring name, image and page in line with the session's query."""
        query = self.session.query
        if query in self.session.queries:
            self.select.value = query
            self.chosen.load(lambda: self._whole(query))
            self.turn(self.names.index(query) // PAGE)

    def _whole(self, name: str) -> Iterator[Figure]:
        query, bench = self.session.queries[name], self.session.bench
        figure: Figure = {
            "picture": thumbnail(bench, query.image, 320),
            "alt": f"query {name}",
            "name": query.image,
        }
        if query.box is not None and figure["picture"]:
            size = inspect(bench.collection.path(query.image))
            across = size.width, size.height, size.width, size.height
            figure["box"] = [edge / extent for edge, extent in zip(query.box, across, strict=True)]
        yield figure

    def _thumbnails(self, names: list[str]) -> Iterator[Figure]:
        for name in names:
            query = self.session.queries[name]
            picture = thumbnail(self.session.bench, query.image, 96, query.box)
            yield {"picture": picture, "alt": "", "name": name}
