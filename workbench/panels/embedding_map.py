"""The collection as a map of its descriptors, linked with the results by selection."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np
import pandas as pd

from workbench.panels.jobs import JobRunner
from workbench.panels.map_colours import Coloured, classes, labelled, own_query, values
from workbench.panels.session import Session
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.scatter import Scatter
from workbench.progress import Progress

MAP, KNOWN = "map", "known map"  # the lanes of making a map, and of looking whether there is one
LABEL, AP, CLUSTER, SIMILARITY = "label", "AP", "cluster", "similarity to the query"
SIDE = 160  # of the picture shown on hovering, in pixels
_EMPTY = (
    "Make map lays out the images so that those with similar descriptors lie together (UMAP). "
    "The first map takes some seconds longer than the next ones; each is kept."
)


class EmbeddingMap:
    """Every image a point. Hovering shows it, a click studies it, a lasso selects."""

    def __init__(self, session: Session) -> None:
        self.session = session
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
        session.observe(session.guard(self.follow), "ranking")
        session.observe(session.guard(self.paint), ["ranking", "evaluation", "query"])
        session.observe(session.guard(self.show_state), "pipeline")
        self.show_state(None)
        self.follow(None)

    def colours(self) -> list[str]:
        """What this collection's images can be coloured by."""
        collection = self.session.bench.collection
        known = [LABEL] if labelled(collection)[1] else []
        return [*known, *([AP] if collection.protocol else []), CLUSTER, SIMILARITY]

    # -- making and showing

    def start(self, _: object) -> None:
        """Make the map of the current pipeline."""
        pipeline = self.session.pipeline
        self.session.run(MAP, lambda progress: self._show(pipeline, progress))

    def follow(self, _: object) -> None:
        """Show the map of the pipeline that was ranked, where it was made before."""
        pipeline = self.session.pipeline
        if self.session.ranking is not None and pipeline != self.pipeline:
            self.session.run(KNOWN, lambda progress: self._show(pipeline, progress, known_only=True))

    def _show(self, pipeline: str, progress: Progress, known_only: bool = False) -> None:
        frame = self.session.bench.embedding(pipeline, progress, known_only)
        progress("Drawing the map", 1, 1)
        if frame.empty:
            return
        self.pipeline, self.frame = pipeline, frame
        self.row_of = {image: row for row, image in enumerate(frame["image_id"])}
        codes, colour = self._coloured()
        with self.scatter.hold_sync():  # one message
            self.scatter.points = frame[["x", "y"]].to_numpy(np.float32).tobytes()
            self.scatter.codes, self.scatter.colour = codes, colour
            self.mark(None)
        self.show_state(None)

    def show_state(self, _: object) -> None:
        """Say what is shown, and dim it where it is not of the current pipeline."""
        stale = self.pipeline != self.session.pipeline
        self.scatter.stale = stale and bool(self.pipeline)
        self.make.disabled = not stale
        self.note.lines = self.lines()

    def lines(self) -> list[Line]:
        if not self.pipeline:
            return []
        if self.pipeline != self.session.pipeline:
            return [line(f"This is the map of {self.pipeline}. Make map shows that of the pipeline now.")]
        near = "Near on the map is near in descriptors; how far apart groups lie means little."
        return [line(f"{len(self.frame):,} images. {near}", "note")]

    # -- colours

    def paint(self, change: Any) -> None:
        """Colour the points by what is chosen, where they or it have changed."""
        chosen = self.colour.value
        needed = {LABEL: ("query",), CLUSTER: (), AP: ("evaluation",), SIMILARITY: ("ranking",)}[chosen]
        if self.pipeline and (change["name"] == "value" or change["name"] in needed):
            self.painter.submit(self._paint)

    def _paint(self, progress: Progress) -> None:
        codes, colour = self._coloured()
        progress("Colouring", 1, 1)
        with self.scatter.hold_sync():
            self.scatter.codes, self.scatter.colour = codes, colour

    def _coloured(self) -> Coloured:
        session, chosen, images = self.session, self.colour.value, list(self.frame["image_id"])
        if chosen == LABEL:
            title, labels = labelled(session.bench.collection)
            query = session.queries.get(session.query)
            own = labels.get(query.image, query.id) if query else None  # always among those with a colour
            return classes(title, [labels.get(image) for image in images], own)
        if chosen == CLUSTER:
            return classes("Cluster (k-means)", [str(number) for number in self.frame["cluster"]])
        if chosen == AP:
            belongs, evaluation = own_query(session.bench.collection), session.evaluation
            known = evaluation is not None and evaluation.pipeline == self.pipeline
            ap = evaluation.per_query.set_index("query")["ap"].to_dict() if known else {}
            shares = np.array([ap.get(belongs.get(image, ""), np.nan) for image in images])
            return values("AP of the image's query", shares, 0, 1, ("0 %", "100 %"))
        known = session.ranking is not None and session.ranked[0] == self.pipeline
        score = dict(zip(session.ranking["image_id"], session.ranking["score"], strict=True)) if known else {}
        scores = np.array([score.get(image, np.nan) for image in images])
        low, high = (np.nanmin(scores), np.nanmax(scores)) if known else (0.0, 1.0)
        return values("Similarity to the query", scores, low, high, (f"{low:.3f}", f"{high:.3f}"))

    # -- linked with the session

    def describe(self, row: int) -> tuple[str, bytes]:
        """The name and the picture of a point."""
        image = str(self.frame["image_id"].iloc[row])
        return image, thumbnail(self.session.bench, image, SIDE)

    def choose(self, row: int) -> None:
        """A point was clicked: its image is the one under study."""
        self.session.image = self.frame["image_id"].iloc[row]

    def select(self, rows: list[int]) -> None:
        """Points were lassoed, or one was added or taken away: they are the selection."""
        self.session.selection = tuple(self.frame["image_id"].iloc[rows])

    def mark(self, _: object) -> None:
        """Mark the selection, the image under study and the query's image on the map."""
        session = self.session
        query = session.queries.get(session.query)
        self.scatter.chosen = [self.row_of[image] for image in session.selection if image in self.row_of]
        self.scatter.current = self.row_of.get(session.image, -1)
        self.scatter.query = self.row_of.get(query.image, -1) if query else -1
