"""The images in a cell of an inverted index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workbench.analysis.index_tradeoff import Tradeoff
from workbench.collections.protocols import SIGNS
from workbench.common.progress import Progress
from workbench.engine.queries import relevance_of
from workbench.panels.base import Panel
from workbench.panels.formatting import plural
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line
from workbench.search.inspection import CellStatistics

PICTURES = 36  # images of a cell, at most
SYNTHETIC = "a synthetic distractor"


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of an index, in the order of distance from a query and its vector [1, D]."""

    tradeoff: Tradeoff
    query: str
    vector: np.ndarray
    lists: CellStatistics


class Request(NamedTuple):
    """One of the cells, by its place in that order."""

    cells: Cells
    place: int


class Cell(NamedTuple):
    """The images of a cell that are most similar to the query, and a sentence about the cell."""

    figures: list[Figure]
    text: str


class CellImages(Panel[Request, Cell]):
    """The images in the chosen cell; a click makes one the image under study."""

    lane, phase = "cell", "Opening the cell"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.cells: Cells | None = None
        self.place = 0  # of the chosen cell, by distance from the query
        self.sizes = Plot(label="Images in each cell")
        self.text = Text(live=True)
        self.images = Grid(label="Images in the cell", look="strip", pick=True)
        self.sizes.on_pick(lambda place: session.guard(lambda _: self.open(int(place)))(None))
        self.images.on_pick(session.guard(self.choose))

    def open(self, place: int) -> None:
        """Show the images of another cell."""
        self.place, self.sizes.current = place, str(place)
        self.refresh()

    def choose(self, image: str) -> None:
        """Make an image of the cell the one under study."""
        if image != SYNTHETIC:
            self.session.image = image

    def request(self) -> Request | None:
        if self.cells is None:
            return None
        return Request(self.cells, max(0, min(self.place, len(self.cells.lists.order) - 1)))

    def dim(self, stale: bool) -> None:
        self.text.stale = self.images.stale = stale

    def compute(self, request: Request, progress: Progress) -> Cell:
        cells, place = request
        tradeoff, lists = cells.tradeoff, cells.lists
        rows = lists.rows(int(lists.order[place]))
        scores = tradeoff.database[rows] @ cells.vector[0]
        best = np.argsort(-scores, kind="stable")[:PICTURES]
        names = [image_name(tradeoff, row) for row in rows[best]]
        relevance = relevance_of(tradeoff.described.collection, cells.query)
        figures: list[Figure] = []
        for name, score in zip(names, scores[best], strict=True):
            progress("Loading pictures", len(figures), len(names))
            figures.append(_figure(self.session, name, float(score), relevance))
        more = f", the {len(names)} most similar to the query shown" if len(rows) > len(names) else ""
        count = plural(len(rows), "image") + more if len(rows) else "no image"
        text = f"The {nth(place)} cell ({searched(lists, place)}) holds {count}."
        return Cell(figures, text)

    def render(self, result: Cell) -> None:
        self.images.figures = result.figures
        self.text.lines = [line(result.text)]

    def render_nothing(self) -> None:
        self.text.lines, self.images.figures = [], []


def image_name(tradeoff: Tradeoff, row: int) -> str:
    """The image in a row of the database."""
    images = tradeoff.described.collection.images
    return images[row] if row < len(images) else SYNTHETIC


def _figure(session: Session, name: str, score: float, relevance: Callable[[str], str]) -> Figure:
    grade = relevance(name)
    text = f"{score:.3f} {'' if grade == 'query' else SIGNS.get(grade, '')}".strip()
    label = f"{name}, score {score:.3f}, {grade}"
    return {"id": name, "picture": thumbnail(session.bench, name), "alt": "", "name": label, "score": text}


def nth(place: int) -> str:
    """The place of a cell in the order of distance: ``nearest``, ``2nd nearest`` …"""
    number = place + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 % 10 != 1 else 0, "th")
    return f"{number}{ending} nearest" if place else "nearest"


def searched(cells: CellStatistics, place: int) -> str:
    """Whether the cell at that place is searched."""
    return "searched" if place < cells.probed else "not searched"
