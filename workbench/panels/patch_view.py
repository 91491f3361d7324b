"""A keypoint looked at: its patch, that of its match, and the patches most like it in the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.keypoint_search import Match
from workbench.panels.matched import Asked
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid
from workbench.panels.widgets.keypairs import NOWHERE
from workbench.panels.widgets.patches import Cell, PatchRows, cell, png
from workbench.panels.widgets.region import Text, line
from workbench.progress import Progress

LANE = "patches"
PAUSE = 0.15  # seconds on a keypoint before its like are searched for
NEAREST = 12
HINT = (
    "Point at a keypoint, or walk to it with the arrow keys, to see its patch and what in the collection is "
    "most like it; a click or Enter holds it."
)
FOUND = "Most like it in other images, by distance; a click opens one:"
ROLES = ("query", "result")


class PatchView:
    """The patch that is pointed at, its match, and a strip of the nearest; a click there opens the image."""

    def __init__(self, session: Session, open_image: Callable[[str, int], None]) -> None:
        self.session, self._open = session, open_image
        self.asked: Asked | None = None
        self.match: Match | None = None
        self.place = list(NOWHERE)  # of the keypoint that is shown: its side and number
        self.like = pd.DataFrame()  # what ``bench.nearest_patches`` found
        self.said = Text(lines=[line(HINT, "note")], live=True)
        self.pair = PatchRows(label="The patch and its match")
        self.found = Text()
        self.strip = Grid(label="Patches most like it", look="strip", pick=True)
        self.widget = W.VBox([self.said, self.pair, self.found, self.strip])
        self.widget.add_class("wb-patch-view")
        self.strip.on_pick(session.guard(self.open))

    def clear(self, asked: Asked | None, match: Match | None) -> None:
        """Forget what was pointed at: another pair is looked at."""
        self.session.lane(LANE).cancel()
        self.asked, self.match, self.place = asked, match, list(NOWHERE)
        self.pair.rows, self.strip.figures, self.found.lines = [], [], []
        self.said.lines = [line(HINT, "note")] if match is not None and self._some(match) else []

    def look(self, place: list[int]) -> None:
        """Show what is at that place, unless another is pointed at at once."""
        if self.asked is not None and self.match is not None and place != NOWHERE:
            self.session.run(LANE, partial(self._look, self.asked, self.match, place), PAUSE)

    def open(self, number: int) -> None:
        """Look at the image of a patch that was found, with its keypoint held."""
        found = self.like.iloc[number]
        self._open(str(found["image_id"]), int(found["keypoint"]))

    @staticmethod
    def _some(match: Match) -> bool:
        return len(match.query) + len(match.image) > 0

    def _look(self, asked: Asked, match: Match, place: list[int], progress: Progress) -> None:
        if place == self.place:
            return
        side, number = place
        if not 0 <= number < len((match.query, match.image)[side]):
            return
        self.strip.stale = True  # what is in it is of another keypoint
        try:
            progress("Cutting patches", 0, 0)
            cells = self._cells(asked, match, side, number)
            self.pair.rows, self.said.lines = [cells], [line(f"Keypoint {number + 1} of the {ROLES[side]}")]
            image, box = ((asked.query.id, asked.box), (asked.image, None))[side]
            like = self.session.bench.nearest_patches(image, number, asked.pipeline, NEAREST, box, progress)
            figures = list(self._figures(asked, like, progress))
            progress("Finding", 1, 1)  # the last moment at which a newer request can still win
            self.like, self.place, self.strip.figures = like, place, figures
            self.found.lines = [line(FOUND, "note")]
        finally:
            self.strip.stale = False

    def _cells(self, asked: Asked, match: Match, side: int, number: int) -> list[Cell]:
        """The keypoint's own patch and that of its match, each with what is known of it."""
        bench, table = self.session.bench, match.table
        sides = (asked.query.id, asked.box), (asked.image, None)
        row = table[table[("query_keypoint", "image_keypoint")[side]] == number]
        ends = [number, number]
        if len(row):
            ends[1 - side] = int(row[("query_keypoint", "image_keypoint")[1 - side]].iloc[0])

        def patch(which: int) -> np.ndarray:
            image, box = sides[which]
            return np.asarray(bench.patches(image, [ends[which]], asked.pipeline, box)[0])

        def about(which: int) -> str:
            x, y, size, angle = (match.query, match.image)[which].points[ends[which]]
            return f"{size:.1f} px, {angle:.0f}° at {x:.0f}, {y:.0f}"

        word = int(match.named[side][number])
        named = [f"word {word}"] if word >= 0 else []
        own = cell(patch(side), f"patch of the {ROLES[side]}", ROLES[side], about(side), *named)
        if not len(row):
            return [own, cell(None, "", "no match", "none near enough, or several")]
        first = row.iloc[0]
        kind = "inlier" if first["inlier"] else "match, no inlier"
        measured = f"distance {first['distance']:.2f}, ratio {first['ratio']:.2f}"
        other = cell(
            patch(1 - side),
            f"patch of the {ROLES[1 - side]}",
            f"{ROLES[1 - side]}: {kind}",
            about(1 - side),
            measured,
        )
        return [own, other]

    def _figures(self, asked: Asked, like: pd.DataFrame, progress: Progress) -> Iterator[Figure]:
        found = like[["image_id", "keypoint", "distance"]].itertuples(index=False, name=None)
        for name, keypoint, distance in found:
            progress("Cutting patches", 0, 0)
            patch = self.session.bench.patches(name, [int(keypoint)], asked.pipeline)[0]
            text = f"{distance:.2f}"
            yield {"picture": png(patch), "alt": "", "name": f"{name}, distance {text}", "score": text}
