"""What a region finds: its nearest regions in the collection, as thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.collection import Box
from workbench.collections.images import inspect
from workbench.config import WorkbenchError
from workbench.panels.seeing import Asked
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Figure, Grid, thumbnail
from workbench.panels.widgets.region import Text, line
from workbench.progress import Progress

LANE = "regions"
PAUSE = 0.2  # seconds on a region before its like are searched for
NEAREST = 12
HINT = "Point at a region, or go there with the arrow keys, to see what it finds; a click searches by it."
ELSEWHERE = "The pipeline's own regions and layer are searched for: choose them above to see what they find."


class Finding:
    """A strip of the regions most like the one that is pointed at; a click opens the image of one."""

    def __init__(self, session: Session, open_image: Callable[[str, np.ndarray], None]) -> None:
        self.session, self._open = session, open_image
        self.like = pd.DataFrame()  # what ``bench.nearest_regions`` found
        self.said = Text(lines=[line(HINT, "note")], live=True)
        self.strip = Grid(label="What the region finds", look="strip", pick=True)
        self.widget = W.VBox([self.said, self.strip])
        self.strip.on_pick(session.guard(self.open))

    def clear(self, hint: str = HINT) -> None:
        """Forget what was found: another picture is looked at."""
        self.session.lane(LANE).cancel()
        self.strip.figures, self.said.lines = [], [line(hint, "note")] if hint else []

    def find(self, asked: Asked, number: int) -> None:
        """Show what a region of that picture finds, unless another is asked for at once."""
        self.session.run(LANE, partial(self._find, asked, number), PAUSE)

    def open(self, number: int) -> None:
        """Look at the image of a region that was found."""
        row = self.like.iloc[number]
        self._open(row["image_id"], row[["x0", "y0", "x1", "y1"]].to_numpy(float))

    def _find(self, asked: Asked, number: int, progress: Progress) -> None:
        bench = self.session.bench
        like = bench.nearest_regions(asked.image, number, asked.pipeline, NEAREST, asked.box, progress)
        figures = list(self._figures(like, progress))
        progress("Finding", 1, 1)  # the last moment at which a newer request can still win
        self.like, self.strip.figures = like, figures
        self.said.lines = [line(f"Region {number + 1} finds, nearest first:")]

    def _figures(self, like: pd.DataFrame, progress: Progress) -> Iterator[Figure]:
        bench = self.session.bench
        for name, score, *box in like[["image_id", "score", "x0", "y0", "x1", "y1"]].to_numpy().tolist():
            progress("Loading pictures", 0, 0)
            place = _pixels(bench.collection.path(name), box)
            picture = thumbnail(bench, name, 160, place) if place else b""
            text = f"{score:.3f}"
            yield {"picture": picture, "alt": "", "name": f"{name}, score {text}", "score": text}


def _pixels(path: Path, box: Sequence[float]) -> Box | None:
    """A box of fractions in pixels of the upright image; None where the file cannot be read."""
    try:
        size = inspect(path)
    except WorkbenchError:
        return None
    x0, y0, x1, y1 = box
    return x0 * size.width, y0 * size.height, x1 * size.width, y1 * size.height
