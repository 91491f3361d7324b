"""A keypoint: its patch, the patch of its match, and the nearest patches of the collection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.common.progress import Progress
from workbench.local.matching import Match, similarity
from workbench.panels.base import Panel
from workbench.panels.matched_pictures import MatchRequest
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid
from workbench.panels.widgets.keypoint_pairs import NOWHERE
from workbench.panels.widgets.lightbox import reference
from workbench.panels.widgets.patches import Cell, PatchRows, cell, png
from workbench.panels.widgets.region import Text, line

NEAREST = 12
HINT = (
    "Point at a keypoint, or move to it with the arrow keys, to see its patch and the nearest patches of the "
    "collection; a click or Enter holds it."
)
NEAREST_PATCHES = "Nearest patches in other images, by distance; a click opens an image:"
ROLES = ("query", "result")


@dataclass(frozen=True)
class Request:
    """A keypoint of a matched pair: its side (0: query, 1: result) and its number."""

    pair: MatchRequest
    match: Match = field(compare=False)
    side: int
    number: int


class Keypoint(NamedTuple):
    """The patch of a keypoint and that of its match."""

    side: int
    number: int
    cells: list[Cell]


class Nearest(NamedTuple):
    """The nearest patches: a table, and their pictures."""

    patches: pd.DataFrame
    figures: list[Figure]


class PatchView(Panel[Request, Keypoint | Nearest]):
    """The patch that is pointed at, its match, and a strip of the nearest; a click there opens the image."""

    lane, phase = "patches", "Searching for the nearest patches"
    delay = 0.15  # seconds on a keypoint before its nearest patches are searched

    def __init__(self, session: Session, open_image: Callable[[str, int], None]) -> None:
        super().__init__(session)
        self._open = open_image
        self.pair: tuple[MatchRequest, Match] | None = None
        self.pointed: Request | None = None
        self.lines = Text(lines=[line(HINT, "note")], live=True)
        self.patches = PatchRows(label="The patch and its match")
        self.caption = Text()
        self.strip = Grid(label="Nearest patches", look="strip", pick=True)
        self.widget = W.VBox([self.lines, self.patches, self.caption, self.strip])
        self.widget.add_class("wb-patch-view")
        self.strip.on_pick(session.guard(self.open))

    @property
    def place(self) -> list[int]:
        """Side and number of the keypoint that is shown."""
        shown = self.rendered
        return list(NOWHERE) if shown is None else [shown.side, shown.number]

    def clear(self, pair: MatchRequest, match: Match) -> None:
        """Show no keypoint: another pair is matched."""
        self.stop()
        self.forget()
        self.pair, self.pointed = (pair, match), None
        self.patches.rows, self.strip.figures, self.caption.lines = [], [], []
        self.lines.lines = [line(HINT, "note")] if len(match.query) + len(match.image) else []

    def look(self, place: list[int]) -> None:
        """Show the keypoint at that place, unless another is pointed at at once."""
        if self.pair is None or place == NOWHERE:
            return
        (side, number), (pair, match) = place, self.pair
        if 0 <= number < len((match.query, match.image)[side]):
            self.pointed = Request(pair, match, side, number)
            self.refresh()

    def open(self, patch: str) -> None:
        """Open the image of a patch in the strip, by its id, with its keypoint held."""
        image, keypoint = json.loads(patch)
        self._open(image, keypoint)

    def request(self) -> Request | None:
        return self.pointed

    def dim(self, stale: bool) -> None:
        for part in (self.lines, self.patches, self.caption, self.strip):
            part.stale = stale

    def stages(self, request: Request, progress: Progress) -> Iterator[Keypoint | Nearest]:
        """Yield the patch and its match, then the nearest patches."""
        pair, side, number = request.pair, request.side, request.number
        progress("Cutting patches", 0, 0)
        yield Keypoint(side, number, self._cells(request))
        image, box = ((pair.query.id, pair.box), (pair.image, None))[side]
        patches = self.session.bench.keypoints.nearest(
            image, keypoint=number, pipeline=pair.pipeline, box=box, k=NEAREST, progress=progress
        )
        yield Nearest(patches, list(self._figures(patches, pair.pipeline, progress)))

    def render(self, result: Keypoint | Nearest) -> None:
        if isinstance(result, Nearest):
            self.strip.figures = result.figures
            self.caption.lines = [line(NEAREST_PATCHES, "note")]
        else:
            self.patches.rows = [result.cells]
            self.lines.lines = [line(f"Keypoint {result.number + 1} of the {ROLES[result.side]}")]

    def _cells(self, request: Request) -> list[Cell]:
        """The patch of the keypoint and that of its match, each with its measures."""
        pair, match, side, number = request.pair, request.match, request.side, request.number
        bench, table = self.session.bench, match.table
        sides = (pair.query.id, pair.box), (pair.image, None)
        columns = ("query_keypoint", "image_keypoint")
        row = table[table[columns[side]] == number]
        ends = [number, number]
        if len(row):
            ends[1 - side] = int(row[columns[1 - side]].iloc[0])

        def patch(side: int) -> np.ndarray:
            image, box = sides[side]
            patches = bench.keypoints.patches(image, keypoints=[ends[side]], pipeline=pair.pipeline, box=box)
            return np.asarray(patches[0])

        def opens(side: int) -> str:
            image, box = (pair.query.image, pair.box or pair.query.box) if side == 0 else (pair.image, None)
            place = (match.query, match.image)[side].boxes[ends[side]]
            if box is not None:  # from fractions of the crop to pixels of the picture
                low, high = np.array(box[:2]), np.array(box[2:])
                place = np.tile(low, 2) + place * np.tile(high - low, 2)
            return reference(image, place)

        def position(side: int) -> str:
            x, y, size, angle = (match.query, match.image)[side].points[ends[side]]
            return f"{size:.1f} px, {angle:.0f}° at {x:.0f}, {y:.0f}"

        own = [int(word) for word in match.words_of[side][number] if word >= 0]
        words = [f"word{'s' * (len(own) > 1)} {', '.join(map(str, own))}"] if own else []
        keypoint = cell(
            patch(side), f"patch of the {ROLES[side]}", ROLES[side], position(side), *words, opens=opens(side)
        )
        if not len(row):
            return [keypoint, cell(None, "", "no match", "none near enough, or several")]
        first = row.iloc[0]
        kind = "inlier" if first["inlier"] else "match, no inlier"
        other = cell(
            patch(1 - side),
            f"patch of the {ROLES[1 - side]}",
            f"{ROLES[1 - side]}: {kind}",
            position(1 - side),
            similarity(first),
            opens=opens(1 - side),
        )
        return [keypoint, other]

    def _figures(self, patches: pd.DataFrame, pipeline: str, progress: Progress) -> Iterator[Figure]:
        names = ["image_id", "keypoint", "distance", "x0", "y0", "x1", "y1"]
        for image, keypoint, distance, *place in patches[names].itertuples(index=False, name=None):
            progress("Cutting patches", 0, 0)
            patch = self.session.bench.keypoints.patches(image, keypoints=[int(keypoint)], pipeline=pipeline)[
                0
            ]
            text = f"{distance:.2f}"
            name, id_ = f"{image}, distance {text}", json.dumps([image, int(keypoint)])
            opens = reference(image, place)
            yield {"id": id_, "picture": png(patch), "alt": "", "name": name, "score": text, "opens": opens}
