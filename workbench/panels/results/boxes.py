"""Boxes in the results that show where the query is."""

from __future__ import annotations

from typing import NamedTuple

import ipywidgets as W
import numpy as np

from workbench.collections.images import header
from workbench.common.progress import Progress
from workbench.panels.base import Panel
from workbench.panels.refinement import Question
from workbench.panels.session import Session
from workbench.panels.widgets.grid import Scroll
from workbench.query.query import Query

LOCATED = 60  # results in which the query is located
TOGETHER = 10  # boxes shown at a time


class Located(NamedTuple):
    """A ranking, and the results in which its query is located."""

    ranked: Question
    images: tuple[str, ...]


class Boxes(Panel[Located, dict[str, list[float]]]):
    """Draws where the query is in the first results, while ``switch`` is on."""

    lane, phase, delay = "locating", "Locating the query in the first results", 0.0

    def __init__(self, session: Session, grid: Scroll) -> None:
        super().__init__(session)
        self.grid = grid
        self.switch = W.ToggleButton(
            description="Boxes", tooltip="Draw where in each result the query is: the most similar region"
        )
        self.switch.observe(session.guard(self.refresh), "value")

    def refresh(self, _: object = None) -> None:
        self.forget()
        self.grid.send({"boxes": {}})
        super().refresh()

    def request(self) -> Located | None:
        ranked = self.session.ranked
        if not self.switch.value or ranked is None:
            return None
        return Located(ranked, tuple(figure["name"] for figure in self.grid.figures[:LOCATED]))

    def compute(self, request: Located, progress: Progress) -> dict[str, list[float]]:
        """Locate the query in each result; boxes are drawn as they come."""
        ranked, images = request
        if ranked.expression:
            return self._located(ranked, set(images), progress)
        boxes: dict[str, list[float]] = {}
        for done, image in enumerate(images):
            progress("Locating the query in the first results", done, len(images))
            if len(boxes) == TOGETHER:
                self.render(boxes)
                boxes = {}
            location = self.session.bench.locate(
                ranked.query, image, pipeline=ranked.pipeline, box=ranked.box
            )
            boxes[image] = location.shares
        return boxes

    def _located(self, ranked: Question, images: set[str], progress: Progress) -> dict[str, list[float]]:
        """Locate the first part of a combined query that has a place, in the first results."""
        bench, query = self.session.bench, Query.parse(ranked.expression)
        table = bench.search(
            query,
            pipeline=ranked.pipeline,
            k=LOCATED,
            progress=progress,
            feedback=ranked.feedback,
            locate=True,
        )
        table = table[table["image_id"].isin(images)]
        boxes: dict[str, list[float]] = {}
        for image, corners in zip(
            table["image_id"], table[["x0", "y0", "x1", "y1"]].to_numpy(float), strict=True
        ):
            size = header(bench.collection.path(str(image)))
            scale = np.array([size.width, size.height, size.width, size.height])
            boxes[str(image)] = (corners / scale).tolist()
        return boxes

    def render(self, result: dict[str, list[float]]) -> None:
        self.grid.send({"boxes": result})
