"""The embedding map panel: the images laid out by their descriptors, linked with the results."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets as W
import pandas as pd

from workbench.analysis.map_method import METHODS
from workbench.common.progress import Progress
from workbench.figures.embedding import embedding
from workbench.figures.embedding_comparison import embedding_comparison
from workbench.figures.map_marks import mark_traces
from workbench.figures.style import Figure
from workbench.panels.base import Panel
from workbench.panels.embedding_map.colouring import AP, CLUSTER, LABEL, SIMILARITY, choices, colour_by
from workbench.panels.embedding_map.concept_lines import ConceptLines
from workbench.panels.embedding_map.differing import DifferingImages
from workbench.panels.embedding_map.estimate import duration
from workbench.panels.embedding_map.first_map import QUICK_IMAGES, FirstMap
from workbench.panels.embedding_map.made_map import MadeMap, MapRequest, make_map
from workbench.panels.embedding_map.settings import MapSettings
from workbench.panels.jobs import JobRunner
from workbench.panels.session import QUESTION, Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.grid import thumbnail
from workbench.panels.widgets.name_search import NameSearch
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Line, Text, line, region

MATCHING = 2000  # names that contain a text, at most
SIDE = 160  # of the picture shown on hovering, in pixels
_NEAR = "Near on the map is near in descriptors; the distance between groups is not reliable."
_NEAR_PCA = "The axes are those of the largest variance of the descriptors; distances are to scale."
_WORDS = "embedding map", "map method", "cluster"  # explained
_HINT = (
    "A click on an image studies it, a lasso or box selects images. "
    "In the legend, a click shows one label alone, and a double click hides or shows it."
)
_NEEDS = {LABEL: ("query",), CLUSTER: (), AP: ("evaluation",), SIMILARITY: ("ranking",)}  # by colour


class EmbeddingMap(Panel[MapRequest, MadeMap]):
    """Every image a point. Pointing at one shows it, a click studies it, a lasso selects."""

    lane, phase, delay = "map", "Drawing the map", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.made = MadeMap()  # what is shown
        self.rows, self.names = pd.Index([]), NameSearch((), ())  # of the images on it
        self.marked: dict[str, list[str]] = {}  # the images on it with each kind of mark
        self.colour = W.Dropdown(description="Colour", options=choices(session.bench.collection))
        self.settings = MapSettings(session, self.settle)
        self.find = W.Text(description="Find", placeholder="part of a name", continuous_update=True)
        self.make = FieldButton(
            description="Make map",
            fields=[*self.settings.fields, self.colour],
        )
        self.note, self.key = Text(), Text(live=True)
        self.plot = Plot(describe=self.describe, label="Map of the images")
        self.differing = DifferingImages(session)
        self.painter = JobRunner(fail=session.fail, lock=session.lock)
        self.lock = threading.RLock()
        self.concepts = ConceptLines(self)
        first = [self.settings.method, self.settings.dimensions, self.settings.switch, self.settings.other]
        bar = W.Box([*first, self.colour, self.concepts.switch, self.find, self.make])
        bar.add_class("wb-mapbar")
        below = self.key, self.concepts.text, self.differing.box
        self.widget = region("Embedding map", bar, self.settings.parameters, self.note, self.plot, *below)
        self.make.on_click(session.guard(self.start))
        self.colour.observe(session.guard(self.paint), "value")
        self.find.observe(session.guard(self.mark), "value")
        self.plot.on_pick(session.guard(self.choose))
        self.plot.on_select(session.guard(self.select))
        session.observe(session.guard(self.mark), ["selection", "image", "query", "queries"])
        session.observe(session.guard(self.paint), ["ranking", "evaluation", "query"])
        session.observe(session.guard(self.show_state), QUESTION)
        self.concepts.follow()
        self.show_state(None)
        self.first = FirstMap(self)
        self.first.refresh()

    # -- the map

    def start(self, _: object) -> None:
        """Make the map of the current pipeline."""
        self.forget()
        self.refresh()

    def settle(self, _: object) -> None:
        """Show the stored map of the changed settings, or that the map shown is another."""
        self.show_state(None)
        self.first.refresh()

    def request(self) -> MapRequest:
        """The map that the pipeline and the settings describe."""
        return MapRequest(self.session.pipeline, self.settings.other.value or "", self.settings.value)

    def compute(self, request: MapRequest, progress: Progress) -> MadeMap:
        return make_map(self.session.bench, request, progress)

    def render(self, result: MadeMap) -> None:
        drawn = self._drawn(result)
        images = pd.Index(result.frame["image_id"])
        with self.lock:
            self.made, self.rows = result, images
            self.names = NameSearch(result.frame["image_id"].tolist(), images)
            self._show(drawn)
        self.differing.show(result.comparison)
        self.show_state(None)
        self.concepts.refresh()

    def show_state(self, _: object) -> None:
        """Show which map this is, dimmed if it is of another pipeline or of other settings."""
        request = self.request()
        outdated = self.made.request != request and not self.made.stands_in_for(request)
        similar = self.colour.value == SIMILARITY and not self.session.answered
        self.plot.stale = self.made.request is not None and (outdated or similar)
        self.make.disabled = self.made.request == request
        self.make.tooltip = f"Lay out the images by {METHODS[request.method.method]}: {self._duration()}"
        count = len(self.session.bench.collection.images)
        self.plot.empty = (
            ("A first map, by PCA, appears here after the first ranking. " if count <= QUICK_IMAGES else "")
            + "Make map lays out the images so that those with similar descriptors are near each other: "
            f"{self._duration()} for {count:,} images. Maps are stored."
        )
        self.colour.disabled = self.made.comparison is not None
        self.note.lines = self.lines()
        # A first map is followed by that of the pipeline now, without a click.
        made = self.made.request
        self.note.stale = self.made.quick and made is not None and made.pipeline != self.session.pipeline

    def lines(self) -> list[Line]:
        """What is shown, and how to read it."""
        made, request = self.made.request, self.request()
        images = f"{len(self.made.frame):,} images"
        if made is None:
            return []
        if self.made.stands_in_for(request) and made != request:
            method = METHODS[request.method.method]
            text = f"{images} by PCA, a first map. Make map lays them out by {method}: {self._duration()}."
            return [line(f"{text} {_NEAR_PCA}", "note", *_WORDS)]
        if made.pipeline != self.session.pipeline:
            return [line(f"This is the map of {made.pipeline}. Make map shows that of the pipeline now.")]
        if made != request:
            return [line("This map was made with other settings. Make map shows that of the settings now.")]
        near = _NEAR_PCA if self.made.frame.attrs.get("method") == "pca" else _NEAR
        return [line(f"{images}. {near}", "note", *_WORDS)]

    def _duration(self) -> str:
        """How long a map of the chosen method takes."""
        return duration(self.request().method, len(self.session.bench.collection.images))

    # -- colours

    def paint(self, change: Any) -> None:
        """Colour the points by the chosen quantity, if it or its values have changed."""
        alone = self.made.request is not None and self.made.comparison is None
        if alone and (change["name"] == "value" or change["name"] in _NEEDS[self.colour.value]):
            self.painter.submit(self._paint)

    def _paint(self, progress: Progress) -> None:
        made = self.made
        drawn = self._drawn(made)
        progress("Colouring", 1, 1)
        with self.lock:
            if made is self.made:
                self._show(drawn)
        self.show_state(None)

    def _drawn(self, made: MadeMap) -> Figure:
        """The figure of a map, whose zoom and legend stay while its colours change."""
        if made.comparison is not None:
            figure = embedding_comparison(made.comparison, named=False)
        else:
            colour = colour_by(self.colour.value, self.session, made.frame, made.pipeline)
            figure = embedding(made.frame, named=False, **colour._asdict())
        return figure.update_layout(uirevision=str(made.request))

    # -- linked with the session

    def describe(self, image: str) -> tuple[str, bytes]:
        """The name and the picture of a point."""
        return image, thumbnail(self.session.bench, image, SIDE)

    def choose(self, image: str) -> None:
        """Make the image of a clicked point the one under study."""
        self.session.image = image

    def select(self, images: list[str]) -> None:
        """Make the marked points the selection."""
        self.session.selection = tuple(dict.fromkeys(images))

    def _show(self, figure: Figure) -> None:
        with self.plot.hold_sync():  # one message
            self.plot.show(figure)
            self._mark()

    def mark(self, _: object) -> None:
        """Mark the selection, the image under study, the query's image and the names that match."""
        with self.lock:
            if self.made.request is not None:
                self._mark()

    def _mark(self) -> None:
        self.marked = marked = self._marked()
        frames = [(self.made.frame, "")]
        if self.made.comparison is not None:
            frames.append((self.made.comparison.map_b, "2"))
        traces: list[Any] = []
        for frame, number in frames:
            where = {"scene": f"scene{number}"}
            if "z" not in frame:
                where = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
            traces += mark_traces(frame, marked, self.rows, **where)
        with self.plot.hold_sync():
            self.plot.current = "".join(marked["current"])
            self.plot.selected = marked["selected"]
            self.plot.mark(traces)
        self.key.lines = [line(self._explained(marked), "note"), line(_HINT, "note")]

    def _marked(self) -> dict[str, list[str]]:
        """The images of each kind of mark that are on the map."""
        session, images = self.session, self.rows
        query = session.queries.get(session.query)
        part = self.find.value.strip()
        kinds = {
            "query": [query.image] if query else [],
            "current": [session.image],
            "selected": list(session.selection),
            "matching": [images[row] for row in sorted(self.names.rows(part, MATCHING))] if part else [],
        }
        return {kind: [image for image in marked if image in images] for kind, marked in kinds.items()}

    def _explained(self, marked: dict[str, list[str]]) -> str:
        """The marks in words."""
        named, matching = self.find.value.strip(), len(marked["matching"])
        more = " or more" * (matching == MATCHING)
        shown = [
            "□ the query" if marked["query"] else "",
            "◯ image under study" if marked["current"] else "",
            f"{len(marked['selected']):,} selected" if marked["selected"] else "",
            f"○ {matching:,}{more} of {len(self.rows):,} names contain {named!r}" if named else "",
        ]
        return " · ".join(filter(None, shown)) or "No image is marked."
