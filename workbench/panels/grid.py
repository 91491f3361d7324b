"""Pictures on screen: one widget for a whole grid, filled by a worker of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as T

from workbench.collections.collection import Box
from workbench.config import WorkbenchError
from workbench.panels.jobs import JobRunner
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.pipeline import Workbench

_STATIC = Path(__file__).parent / "static"
Figure = dict[str, Any]


class Grid(anywidget.AnyWidget):
    """Figures in rows. A figure is a dict, all of whose text is shown as text, never as HTML:

    ``picture`` (JPEG bytes, empty where there is none), ``alt``, ``name``, and where they apply
    ``rank``, ``score``, ``sign``, ``relevance`` and ``box`` (x0, y0, x1, y1 as shares of the image).
    """

    _esm = _STATIC / "grid.js"
    _css = _STATIC / "grid.css"
    figures = T.List(T.Dict()).tag(sync=True)
    chosen = T.Int(-1).tag(sync=True)
    label = T.Unicode().tag(sync=True)  # for screen readers
    look = T.Enum(["ranked", "strip", "single"]).tag(sync=True)
    pick = T.Bool(False).tag(sync=True)  # whether a click or Enter picks a figure
    stale = T.Bool(False).tag(sync=True)  # dimmed: what is shown answers an older question
    empty = T.Unicode().tag(sync=True)  # what to do, shown where there is no figure

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()

    def on_pick(self, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the number of the figure that was picked."""
        self.on_msg(lambda _widget, content, _buffers: handler(int(content["pick"])))

    def load(self, figures: Callable[[], Iterable[Figure]], then: Callable[[], None] = lambda: None) -> None:
        """Show the figures once a worker has made them all; the newest call wins."""

        def work(progress: Progress) -> None:
            made: list[Figure] = []
            for figure in figures():
                progress("Loading pictures", len(made), 0)
                made.append(figure)
            self.figures = made
            then()

        self.runner.submit(work)


def thumbnail(bench: Workbench, image_id: str, side: int = 160, box: Box | None = None) -> bytes:
    """An image's thumbnail as JPEG; no bytes where the file cannot be read any more."""
    try:
        return bench.thumbnail(image_id, side, box)
    except WorkbenchError:
        return b""
