"""The votes for a class or an image: two pictures under their heat, the strongest votes, and their sum."""

from __future__ import annotations

from typing import NamedTuple

import ipywidgets as W
import numpy as np

from workbench.collections.collection import Query
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.explain.one import Evidence
from workbench.figures.contributions import contributions
from workbench.panels.base import Panel
from workbench.panels.classes.vote_listing import Listing, columns, links, regions, rows, votes, words
from workbench.panels.formatting import plural
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.links import Links
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line
from workbench.panels.widgets.table import Table

SIDE = 640  # pixels of a picture's longest side
HINT = "Choose a class or an image to see which regions voted for it."


class Subject(NamedTuple):
    """A class or an image whose score is explained."""

    label: str | None
    image: str | None

    def __str__(self) -> str:
        return str(self.image) if self.label is None else f"the class {self.label}"


class Request(NamedTuple):
    """A query answered by ONE, and the class or image that is explained."""

    query: Query
    box: Box | None
    pipeline: str
    subject: Subject


class Votes(NamedTuple):
    """The evidence for a subject, the images that voted, and the query's picture (JPEG)."""

    request: Request
    evidence: Evidence
    voters: list[Figure]
    picture: bytes


class VotesView(Panel[Request, Votes]):
    """The query beside one of the images that voted, linked by the votes; a strip chooses the image."""

    lane, phase = "votes", "Computing the votes"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.explained: Request | None = None
        self.evidence: Evidence | None = None
        self.listing: Listing | None = None
        self.shown, self.held = "", -1  # the image beside the query, and the picked vote
        self.hint = Text(lines=[line(HINT, "note")])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(2))
        self.links = Links()
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.strip = Grid(label="Images that voted", look="strip", pick=True)
        self.above = Text()
        self.table = Table(label="Strongest votes")
        self.sum = Plot(label="How the votes add up")
        for view in self.views:
            for trait in ("opacity", "smooth"):
                W.jslink((self.scale, trait), (view, trait))
        pictures = W.Box([*self.views, self.links])
        sums = W.Box([W.VBox([self.above, self.table]), self.sum])
        self.body = W.Box([W.VBox([pictures, self.scale, self.strip]), sums])
        for box, name in ((pictures, "linked"), (sums, "sums"), (self.body, "explained")):
            box.add_class(f"wb-{name}")
        self.body.layout.display = "none"
        guard = session.guard
        self.strip.on_pick(guard(self.turn))
        self.table.on_pick(guard(lambda row: self.pick(int(row))))
        self.sum.on_pick(guard(self.pick_bar))
        for view in self.views:
            view.on_hover(guard(self.mark))
            view.on_pick(guard(self.pick))

    # -- the request and its result

    def explain(self, query: Query, box: Box | None, pipeline: str, subject: Subject) -> None:
        """Show the votes for a class or an image."""
        self.explained = Request(query, box, pipeline, subject)
        self.refresh()

    def request(self) -> Request | None:
        return self.explained

    def dim(self, stale: bool) -> None:
        for part in (*self.views, self.links, self.sum, self.hint, self.strip, self.above, self.table):
            part.stale = stale

    def compute(self, request: Request, progress: Progress) -> Votes:
        bench, (query, box, pipeline, subject) = self.session.bench, request
        evidence = bench.regions.evidence(
            query.id,
            image_id=subject.image,
            label=subject.label,
            pipeline=pipeline,
            box=box,
            progress=progress,
        )
        picture = thumbnail(bench, query.image, SIDE, box or query.box)
        return Votes(request, evidence, voters(self.session, evidence), picture)

    def render_error(self, error: WorkbenchError) -> None:
        self.hint.lines = [line(str(error), "note")]
        self.body.layout.display = "none"

    def render(self, result: Votes) -> None:
        evidence, figures, query = result.evidence, result.voters, result.request.query.id
        first = str(figures[0]["id"])
        first_picture = thumbnail(self.session.bench, first, SIDE)
        self.evidence, self.listing, self.held = evidence, votes(evidence), -1
        self.strip.figures = figures if len(figures) > 1 else []
        self.views[0].show(
            evidence.query_heatmap,
            picture=result.picture,
            name=query,
            opens=reference(result.request.query.image, result.request.box or result.request.query.box),
            alt=f"Query {query}, under its heat",
            regions=[{**region, "group": ""} for region in regions(self.listing, 0)],
            marked=-1,
            top=self._top(),
        )
        self._show_image(first, first_picture)
        subject = result.request.subject
        self.hint.lines = [line(f"Votes for {subject}: score {evidence.score:.3f}", "numbers")]
        self.above.lines = [line(words(self.listing), "note", "contribution")]
        with self.table.hold_sync():
            self.table.columns, self.table.rows = columns(self.listing), rows(self.listing)
            self.table.chosen = []
        with self.sum.hold_sync():
            self.sum.show(contributions(self.listing.total, evidence.collection, evidence.pipeline))
            self.sum.current = ""
        self.body.layout.display = None

    def _show_image(self, image: str, picture: bytes) -> None:
        assert self.evidence is not None and self.listing is not None
        self.shown = image
        self.views[1].show(
            self.evidence.image_heatmaps[image],
            picture=picture,
            name=image,
            opens=image,
            alt=f"Voting image {image}, under its heat",
            regions=regions(self.listing, 1),
            shown=[image],
            marked=self.held,
            top=self._top(),
        )
        self.scale.top = self._top()
        self.strip.chosen = next(
            (number for number, figure in enumerate(self.strip.figures) if figure["id"] == image), -1
        )
        pairs = zip(links(self.listing), self.listing.parts, strict=True)
        with self.links.hold_sync():
            self.links.links = [link for link, part in pairs if part.image == image]
            self.links.marked = str(self.held) if self.held >= 0 else ""

    def _top(self) -> float:
        assert self.evidence is not None
        heats = [self.evidence.query_heatmap, *self.evidence.image_heatmaps.values()]
        return max(float(np.abs(heat).max()) for heat in heats) or 1.0

    # -- pointing

    def turn(self, image: str) -> None:
        """Show another image that voted beside the query."""
        if self.evidence is None or image not in self.evidence.image_heatmaps:
            return  # it voted for what was shown before
        self._show_image(image, thumbnail(self.session.bench, image, SIDE))

    def pick_bar(self, point: str) -> None:
        """A bar of the sum was picked; that of a level or of its other votes is no vote."""
        if self.listing is not None and (number := self.listing.part_at(point)) >= 0:
            self.pick(number)

    def pick(self, number: int) -> None:
        """Keep a vote emphasised, with its image beside the query; a second pick releases it."""
        self.held = -1 if number == self.held else number
        if self.held >= 0 and self.listing is not None and self.listing.parts[number].image != self.shown:
            image = self.listing.parts[number].image
            self._show_image(image, thumbnail(self.session.bench, image, SIDE))
        self.mark(-1)

    def mark(self, number: int) -> None:
        """Emphasise a vote in all views; -1 stands for the picked one, if any."""
        marked = number if number >= 0 else self.held
        for view in self.views:
            view.marked = marked
        self.links.marked = str(marked) if marked >= 0 else ""
        self.sum.current = "" if self.listing is None else self.listing.point_of(marked)
        self.table.chosen = [str(marked)] if marked >= 0 else []


def voters(session: Session, evidence: Evidence) -> list[Figure]:
    """The images that voted, by the sum of their votes, each with its strongest region."""
    added = evidence.votes.groupby("image_id")["contribution"].agg(["sum", "size"])
    figures: list[Figure] = []
    for image in added["sum"].sort_values(ascending=False, kind="stable").index:
        region = evidence.votes[evidence.votes["image_id"] == image]["image_region"].iloc[0]
        count, total = int(added["size"][image]), float(added["sum"][image])
        figures.append(
            {
                "id": image,
                "picture": thumbnail(session.bench, image, 160),
                "alt": "",
                "name": f"{image}, {plural(count, 'vote')}, adds {total:.3f}",
                "score": f"{count}×",
                "box": evidence.image_regions[image][region].tolist(),
            }
        )
    return figures
