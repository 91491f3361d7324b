"""Who votes for a class or an image: both pictures under their heat, the strongest votes, and their sum."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np

from workbench.explain_one import Evidence
from workbench.panels.one_words import VOTES
from workbench.panels.parts import Sum, links, regions, rows, steps, votes, words
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.heatview import HeatView
from workbench.panels.widgets.pairs import Links, Waterfall
from workbench.panels.widgets.region import Text, line
from workbench.panels.widgets.table import Table

SIDE = 640  # pixels of a picture's longest side
HINT = "Choose a class or an image to see which regions voted for it."


class VotesView:
    """The query beside one of those that voted, linked by the votes; a strip chooses which."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.evidence: Evidence | None = None
        self.total: Sum | None = None
        self.shown, self.held = "", -1  # the image beside the query, and the vote that was picked
        self.hint = Text(lines=[line(HINT, "note")])
        self.views = tuple(HeatView(look="picture", signed=True) for _ in range(2))
        self.links = Links()
        self.scale = HeatView(look="controls", signed=True, quantity="a cell takes away · adds")
        self.strip = Grid(label="Images that voted", look="strip", pick=True)
        self.above = Text()
        self.table = Table(label="Strongest votes", columns=VOTES)
        self.sum = Waterfall(label="How the votes add up")
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
        for view in self.views:
            view.on_hover(guard(self.mark))
            view.on_pick(guard(self.pick))

    # -- showing

    def say(self, text: str) -> None:
        """Say why there are no votes to show."""
        self.hint.lines = [line(text, "note")]
        self.body.layout.display = "none"

    def show(self, what: str, query: str, picture: bytes, why: Evidence, voters: list[Figure]) -> None:
        """Show who votes for ``what``, by the query's name and picture and by ``voters`` of it."""
        first = str(voters[0]["id"])
        beside = thumbnail(self.session.bench, first, SIDE)
        self.evidence, self.total, self.held = why, votes(why), -1
        self.strip.figures = voters if len(voters) > 1 else []
        self.views[0].show(
            why.query_heatmap,
            picture=picture,
            name=query,
            alt=f"Query {query}, under its heat",
            regions=[{**one, "group": ""} for one in regions(self.total, 0)],
            marked=-1,
            top=self._top(),
        )
        self._show_image(first, beside)
        self.hint.lines = [line(f"Votes for {what}: score {self.total.whole:.3f}", "numbers")]
        self.above.lines = [line(words(self.total), "note")]
        with self.table.hold_sync():
            self.table.rows, self.table.chosen = rows(self.total), []
        with self.sum.hold_sync():
            self.sum.steps, self.sum.marked = steps(self.total, "score"), -1
        self.body.layout.display = None
        self.dim(False)

    def dim(self, stale: bool) -> None:
        """What is shown answers an older question, or the newest."""
        for part in (*self.views, self.links, self.sum):
            part.stale = stale

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

    def _top(self) -> float:
        assert self.evidence is not None
        every = [self.evidence.query_heatmap, *self.evidence.image_heatmaps.values()]
        return max(float(np.abs(heat).max()) for heat in every) or 1.0

    # -- pointing

    def turn(self, number: int) -> None:
        """One of those that voted was picked: it stands beside the query."""
        image = str(self.strip.figures[number]["id"])
        self._show_image(image, thumbnail(self.session.bench, image, SIDE))

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
        self.table.chosen = [str(there)] if there >= 0 else []


def voters(session: Session, why: Evidence) -> list[Figure]:
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
                "picture": thumbnail(session.bench, image, 160),
                "alt": "",
                "name": f"{image}, {text}, adds {total:.3f}",
                "score": f"{count}×",
                "box": why.image_regions[image][best].tolist(),
            }
        )
    return made
