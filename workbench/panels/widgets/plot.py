"""The one widget of all charts: a plotly figure in the theme of the page.

plotly's own FigureWidget sends 5 MB with each widget. Here the first view of a page asks for plotly.js once,
and all others share it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import anywidget
import plotly.graph_objects as go
import plotly.io as pio
import traitlets as T

from workbench.figures.style import DARK, LIGHT
from workbench.panels.widgets.dimmed import Dimmed

Describe = Callable[[str], tuple[str, bytes]]
_TEMPLATES = {"light": LIGHT, "dark": DARK}
_STATIC = Path(__file__).parents[1] / "static"


@lru_cache(maxsize=1)
def plotly_script() -> bytes:
    """plotly.js, as it comes with plotly."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


class Plot(Dimmed, anywidget.AnyWidget):
    """A figure with plotly's tools. A point is named by the ``ids`` of its trace.

    ``label`` names it for screen readers, ``empty`` is a hint shown while there is no figure, ``current`` the
    id of the marked point. ``describe(id)`` returns the caption and the JPEG shown on hovering, in a worker.
    """

    _esm = _STATIC / "plot.js"
    _css = _STATIC / "plot.css"
    label = T.Unicode().tag(sync=True)
    empty = T.Unicode().tag(sync=True)
    current = T.Unicode().tag(sync=True)
    spec = T.Unicode().tag(sync=True)  # the figure as JSON
    version = T.Int(0).tag(sync=True)  # of the figure, sent back with numbers of its points

    def __init__(
        self,
        figure: go.Figure | None = None,
        describe: Describe | None = None,
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self.figure: go.Figure | None = None
        self._describe = describe
        self.on_msg(self._answer)
        if figure is not None:
            self.show(figure)

    def show(self, figure: go.Figure | None) -> None:
        """Show another figure; None shows the hint."""
        with self.hold_sync():
            self.figure = figure
            self.version += 1
            self.spec = "" if figure is None else str(figure.to_json())

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of a point that was clicked, or on which Enter was pressed."""
        self._on("pick", lambda point: handler(self._ids([point])[0]))

    def on_select(self, handler: Callable[[list[str]], None]) -> None:
        """Call ``handler`` with the ids of the points in a box or lasso; with none when it is removed."""
        self._on("select", lambda points: handler(self._ids(points)))

    def _on(self, kind: str, act: Callable[[Any], None]) -> None:
        def hear(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if kind in content and content.get("version") == self.version:
                act(content[kind])

        self.on_msg(hear)

    def _ids(self, points: Sequence[Sequence[int]]) -> list[str]:
        assert self.figure is not None
        return [str(self.figure.data[trace].ids[number]) for trace, number in points]

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("need") == "script":
            templates = {
                name: json.loads(pio.templates[key].to_json())
                for name, key in (("light", LIGHT), ("dark", DARK))
            }
            self.send({"templates": templates}, buffers=[plotly_script()])
