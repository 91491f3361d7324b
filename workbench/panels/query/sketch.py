"""The canvas of the query panel: each stroke stores the drawing and searches with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as W

from workbench.collections.uploads import store_upload
from workbench.common.progress import Progress
from workbench.panels.combined_query import (
    DRAWN,
    change_search,
    join_query,
    start_search,
    with_part,
    without_part,
)
from workbench.panels.formatting import DRAWING
from workbench.panels.session import Session
from workbench.panels.widgets.canvas import Canvas, Stroke
from workbench.query.part import Part
from workbench.query.query import Leaf, Query

LANE = "drawing"


class SketchControls:
    """The button ``Sketch``, and the canvas that it unfolds.

    Drawings are files among the uploads. The canvas follows the query: it shows the drawing that is a part
    of it, also after an undo, and is empty if there is none. ``joins`` tells whether a first stroke joins the
    query; later strokes change the part of the drawing.
    """

    def __init__(self, session: Session, joins: Callable[[], bool]) -> None:
        self.session, self.joins = session, joins
        self.switch = W.ToggleButton(description="Sketch", tooltip="Draw what you look for")
        self.canvas = Canvas()
        self.drawing = ""  # the file of the drawing on the canvas
        self.drawings: dict[str, tuple[list[Stroke], bytes]] = {}  # file → strokes, and the picture below
        self.canvas.on_drawing(session.guard(self.receive))
        self.canvas.observe(session.guard(self.read), "reading")
        self.switch.observe(self.fold, "value")
        session.observe(session.guard(self.show), "expression")
        self.fold(None)
        self.show(None)

    def fold(self, _: object) -> None:
        self.canvas.layout.display = None if self.switch.value else "none"

    def receive(self, png: bytes) -> None:
        """The drawing has changed: store it in a worker, then search with it."""
        session, content = self.session, (list(self.canvas.strokes), self.canvas.picture)

        def work(progress: Progress) -> None:
            if not png:
                self._remove()
                return
            path = str(store_upload(png, DRAWING, session.bench.options.cache))
            progress("Storing the drawing", 1, 1)
            self.drawings[path] = content
            self._search(path)
            session.refresh(delay=0)  # a stroke ends, unlike the move of a slider

        session.run(LANE, work)

    def read(self, _: object) -> None:
        """The other reading of the drawing was chosen."""
        self._replace(self.drawing)

    def show(self, _: object) -> None:
        """Show the drawing of the session's query on the canvas."""
        kinds = {part.value: part.kind for part in self._parts() if part.kind in DRAWN}
        drawing = self.drawing if self.drawing in kinds else next(iter(kinds), "")
        if drawing:
            self.canvas.reading = "contours" if kinds[drawing] == "sketch" else "colours"
        if drawing == self.drawing:
            return
        self.drawing = drawing
        if not drawing or drawing in self.drawings:
            self.canvas.show(*self.drawings.get(drawing, ([], b"")))
        else:
            self.session.run(LANE, lambda _: self._load(drawing))

    def _load(self, path: str) -> None:
        """Show a drawing of which only the file is known; one that is lost is reported by the search."""
        file = Path(path)
        self.canvas.show([], file.read_bytes() if file.is_file() else b"")

    def _search(self, path: str) -> None:
        if not self._replace(path):
            self.drawing = path
            (join_query if self.joins() else start_search)(self.session, Leaf(Part(self._kind, path)))

    def _replace(self, path: str) -> bool:
        """Put a file and the reading in place of the drawing in the query; False if it is not in it."""
        places = self._places()
        self.drawing = path if places else self.drawing
        for place in places:
            query = Query.parse(self.session.expression)
            change_search(self.session, with_part(query, place, Part(self._kind, path)))
        return bool(places)

    @property
    def _kind(self) -> str:
        return "sketch" if self.canvas.reading == "contours" else "colours"

    def _remove(self) -> None:
        """Nothing is drawn any more: remove the drawing from the query."""
        for place in reversed(self._places()):
            without_part(self.session, place)
        self.drawing = ""

    def _places(self) -> list[int]:
        """The places of the drawing among the parts of the query."""
        return [
            place
            for place, part in enumerate(self._parts())
            if part.kind in DRAWN and self.drawing and part.value == self.drawing
        ]

    def _parts(self) -> list[Any]:
        expression = self.session.expression
        return [part for part, _ in Query.parse(expression).parts] if expression else []
