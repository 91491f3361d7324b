"""The embedding map panel: the images laid out by their descriptors, linked with the results."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.collections.answers import labelled
from workbench.common.progress import Progress
from workbench.panels.base import Panel
from workbench.panels.embedding_map.colouring import Coloured, classes, own_query, values
from workbench.panels.jobs import JobRunner
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.scatter import Scatter

LABEL, AP, CLUSTER, SIMILARITY = "label", "AP", "cluster", "similarity to the query"
SIDE = 160  # of the picture shown on hovering, in pixels
_EMPTY = (
    "Make map lays out the images so that those with similar descriptors lie together (UMAP). "
    "The first map takes some seconds longer than later ones; all are stored."
)


class Map(NamedTuple):
    """The map of a pipeline: image_id, x, y and cluster."""

    pipeline: str
    frame: pd.DataFrame


class StoredMap(Panel[str, Map]):
    """Shows the map of the ranked pipeline without a click, if it was made before."""

    lane, phase, delay = "known map", "Drawing the map", 0.0

    def __init__(self, panel: EmbeddingMap) -> None:
        super().__init__(panel.session)
        self.panel = panel
        self.session.observe(self.session.guard(self.refresh), "ranking")

    def refresh(self, _: object = None) -> None:
        self.forget()
        super().refresh()

    def request(self) -> str | None:
        pipeline = self.session.pipeline
        shown = self.session.ranking is None or pipeline == self.panel.pipeline
        return None if shown else pipeline

    def compute(self, request: str, progress: Progress) -> Map:
        bench = self.session.bench
        return Map(request, bench.studies.embedding(pipeline=request, progress=progress, known_only=True))

    def render(self, result: Map) -> None:
        if not result.frame.empty:
            self.panel.render(result)


class EmbeddingMap(Panel[str, Map]):
    """Every image a point. Pointing at one shows it, a click studies it, a lasso selects."""

    lane, phase, delay = "map", "Drawing the map", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.pipeline = ""  # of the map that is shown
        self.frame = pd.DataFrame(columns=["image_id", "x", "y", "cluster"])
        self.row_of: dict[str, int] = {}
        self.colour = W.Dropdown(description="Colour", options=self.colours())
        self.make = W.Button(description="Make map", tooltip="Lay out the images by their descriptors")
        self.note = Text()
        self.scatter = Scatter(self.describe, label="Map of the images", empty=_EMPTY)
        self.painter = JobRunner(fail=session.fail)
        bar = W.Box([self.colour, self.make, self.note])
        bar.add_class("wb-mapbar")
        self.widget = region("Embedding map", bar, self.scatter)
        self.make.on_click(session.guard(self.start))
        self.colour.observe(session.guard(self.paint), "value")
        self.scatter.on("choose", session.guard(self.choose))
        self.scatter.on("select", session.guard(self.select))
        session.observe(session.guard(self.mark), ["selection", "image", "query", "queries"])
        session.observe(session.guard(self.paint), ["ranking", "evaluation", "query"])
        session.observe(session.guard(self.show_state), QUESTION)
        self.show_state(None)
        self.stored = StoredMap(self)
        self.stored.refresh()

    def colours(self) -> list[str]:
        """The quantities that can colour this collection's images."""
        collection = self.session.bench.collection
        labels = [LABEL] if labelled(collection)[1] else []
        return [*labels, *([AP] if collection.protocol else []), CLUSTER, SIMILARITY]

    # -- the map

    def start(self, _: object) -> None:
        """Make the map of the current pipeline."""
        self.forget()
        self.refresh()

    def request(self) -> str:
        """The pipeline whose map is made."""
        return self.session.pipeline

    def compute(self, request: str, progress: Progress) -> Map:
        return Map(request, self.session.bench.studies.embedding(pipeline=request, progress=progress))

    def render(self, result: Map) -> None:
        self.pipeline, self.frame = result
        self.row_of = {image: row for row, image in enumerate(self.frame["image_id"])}
        codes, colour = self._coloured()
        with self.scatter.hold_sync():  # one message
            self.scatter.points = self.frame[["x", "y"]].to_numpy(np.float32).tobytes()
            self.scatter.codes, self.scatter.colour = codes, colour
            self.mark(None)
        self.show_state(None)

    def show_state(self, _: object) -> None:
        """Show which map this is, dimmed if it is of another pipeline."""
        stale = self.pipeline != self.session.pipeline
        similar = self.colour.value == SIMILARITY and not self.session.answered
        self.scatter.stale = bool(self.pipeline) and (stale or similar)
        self.make.disabled = not stale
        self.note.lines = self.lines()

    def lines(self) -> list[Line]:
        if not self.pipeline:
            return []
        if self.pipeline != self.session.pipeline:
            return [line(f"This is the map of {self.pipeline}. Make map shows that of the pipeline now.")]
        near = "Near on the map is near in descriptors; the distance between groups means little."
        return [line(f"{len(self.frame):,} images. {near}", "note")]

    # -- colours

    def paint(self, change: Any) -> None:
        """Colour the points by the chosen quantity, if it or its values have changed."""
        chosen = self.colour.value
        needed = {LABEL: ("query",), CLUSTER: (), AP: ("evaluation",), SIMILARITY: ("ranking",)}[chosen]
        if self.pipeline and (change["name"] == "value" or change["name"] in needed):
            self.painter.submit(self._paint)

    def _paint(self, progress: Progress) -> None:
        codes, colour = self._coloured()
        progress("Colouring", 1, 1)
        with self.scatter.hold_sync():
            self.scatter.codes, self.scatter.colour = codes, colour
        self.show_state(None)

    def _coloured(self) -> Coloured:
        session, chosen, images = self.session, self.colour.value, list(self.frame["image_id"])
        if chosen == LABEL:
            title, labels = labelled(session.bench.collection)
            query = session.queries.get(session.query)
            first = labels.get(query.image, query.id) if query else None  # always has a colour
            return classes(title, [labels.get(image) for image in images], first)
        if chosen == CLUSTER:
            return classes("Cluster (k-means)", [str(number) for number in self.frame["cluster"]])
        if chosen == AP:
            belongs, evaluation = own_query(session.bench.collection), session.evaluation
            current = evaluation is not None and evaluation.pipeline == self.pipeline
            ap = evaluation.per_query.set_index("query")["ap"].to_dict() if current else {}
            shares = np.array([ap.get(belongs.get(image, ""), np.nan) for image in images])
            return values("AP of the image's query", shares, 0, 1, ("0 %", "100 %"))
        current = session.ranking is not None and session.ranked.pipeline == self.pipeline
        ranking = session.ranking if current else pd.DataFrame(columns=["image_id", "score"])
        score = dict(zip(ranking["image_id"], ranking["score"], strict=True))
        scores = np.array([score.get(image, np.nan) for image in images])
        low, high = (np.nanmin(scores), np.nanmax(scores)) if current else (0.0, 1.0)
        return values("Similarity to the query", scores, low, high, (f"{low:.3f}", f"{high:.3f}"))

    # -- linked with the session

    def describe(self, row: int) -> tuple[str, bytes]:
        """The name and the picture of a point."""
        image = str(self.frame["image_id"].iloc[row])
        return image, thumbnail(self.session.bench, image, SIDE)

    def choose(self, row: int) -> None:
        """Make the image of a clicked point the one under study."""
        self.session.image = self.frame["image_id"].iloc[row]

    def select(self, rows: list[int]) -> None:
        """Make the marked points the selection."""
        self.session.selection = tuple(self.frame["image_id"].iloc[rows])

    def mark(self, _: object) -> None:
        """Mark the selection, the image under study and the query's image on the map."""
        session = self.session
        query = session.queries.get(session.query)
        self.scatter.chosen = [self.row_of[image] for image in session.selection if image in self.row_of]
        self.scatter.current = self.row_of.get(session.image, -1)
        self.scatter.query = self.row_of.get(query.image, -1) if query else -1
