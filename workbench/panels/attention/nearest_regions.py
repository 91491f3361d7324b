"""The regions of the collection nearest to a region, as thumbnails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.images import read_header
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.attention import model
from workbench.panels.base import Panel
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.region import Text, line

NEAREST = 12
HINT = (
    "Point at a region, or move to it with the arrow keys, to see the nearest regions; a click searches with "
    "the region."
)
ELSEWHERE = "Only the pipeline's own layer and regions can be searched: choose them above."


class Request(NamedTuple):
    """A region of the picture in the attention panel."""

    picture: model.Request
    number: int


class Nearest(NamedTuple):
    """The nearest regions (a table), their thumbnails, and the number of the region that was searched."""

    regions: pd.DataFrame
    figures: list[Figure]
    number: int


class NearestRegions(Panel[Request, Nearest]):
    """A strip of the regions nearest to the one that is pointed at; a click opens the image of one."""

    lane, phase = "regions", "Searching regions"
    delay = 0.2  # seconds on a region before it is searched

    def __init__(self, session: Session, open_image: Callable[[str, np.ndarray], None]) -> None:
        super().__init__(session)
        self._open = open_image
        self.pointed: Request | None = None
        self.lines = Text(lines=[line(HINT, "note")], live=True)
        self.strip = Grid(label="Nearest regions", look="strip", pick=True)
        self.widget = W.VBox([self.lines, self.strip])
        self.strip.on_pick(session.guard(self.open))

    def clear(self, hint: str = HINT) -> None:
        """Empty the strip: another picture is shown."""
        self.pointed = None
        self.forget()
        self.stop()
        self.strip.figures, self.lines.lines = [], [line(hint, "note")] if hint else []

    def find(self, picture: model.Request, number: int) -> None:
        """Show the regions nearest to one of that picture, unless another is pointed at at once."""
        self.pointed = Request(picture, number)
        self.refresh()

    def open(self, region: str) -> None:
        """Open the image of a region in the strip, by its id."""
        image, box = json.loads(region)
        self._open(image, np.array(box, float))

    def request(self) -> Request | None:
        return self.pointed

    def compute(self, request: Request, progress: Progress) -> Nearest:
        picture, number = request
        regions = self.session.bench.regions.nearest(
            picture.image,
            region=number,
            pipeline=picture.pipeline,
            box=picture.box,
            k=NEAREST,
            progress=progress,
        )
        return Nearest(regions, list(self._figures(regions, progress)), number)

    def render(self, result: Nearest) -> None:
        self.strip.figures = result.figures
        self.lines.lines = [line(f"Regions nearest to region {result.number + 1}:")]

    def _figures(self, regions: pd.DataFrame, progress: Progress) -> Iterator[Figure]:
        bench = self.session.bench
        columns = ["image_id", "score", "x0", "y0", "x1", "y1"]
        for image, score, *shares in regions[columns].to_numpy().tolist():
            progress("Loading pictures", 0, 0)
            box = _pixels(bench.collection.path(image), shares)
            picture = thumbnail(bench, image, 160, box) if box else b""
            text = f"{score:.3f}"
            name = f"{image}, score {text}"
            yield {
                "id": json.dumps([image, shares]),
                "picture": picture,
                "alt": "",
                "name": name,
                "score": text,
            }


def _pixels(path: Path, box: Sequence[float]) -> Box | None:
    """Convert a box of fractions to pixels of the upright image; None if the file cannot be read."""
    try:
        size = read_header(path)
    except WorkbenchError:
        return None
    x0, y0, x1, y1 = box
    return x0 * size.width, y0 * size.height, x1 * size.width, y1 * size.height
