"""The one widget of all charts: a plotly figure in the theme of the page.

plotly's own FigureWidget sends 5 MB with each widget. Here the first view of a page asks for plotly.js once,
and all others share it (``static/plot_library.js``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import traitlets as T
from plotly.io.json import to_json_plotly

from workbench.common.progress import Progress
from workbench.figures.data_csv import figure_csv
from workbench.figures.style import DARK, LIGHT
from workbench.panels.jobs import JobRunner
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module
from workbench.panels.widgets.figure_spec import figure_spec, traces_spec

Describe = Callable[[str], tuple[str, bytes]]
_STATIC = Path(__file__).parents[1] / "static"
_PARTS = "library theme text titles narrow data styling points card tools pointing gliding".split()
_PAUSE = 15.0  # seconds in which a page that got plotly.js gets it no second time
_served: dict[str, tuple[float, Plot]] = {}  # when a page got plotly.js, and by which widget


@lru_cache(maxsize=1)
def plotly_script() -> bytes:
    """plotly.js, as it comes with plotly."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


class Plot(Dimmed, anywidget.AnyWidget):
    """A figure with plotly's tools. A point is named by the ``ids`` of its trace.

    ``label`` names it for screen readers, ``empty`` is a hint shown while there is no figure. ``current`` is
    the id of the point with a ring, ``selected`` the ids of the highlighted points: those in the last box or
    lasso, or those that are set. ``describe(id)`` returns the caption and the JPEG shown on hovering, in a
    worker.
    """

    _esm = dimmed_module("points", *(f"plot_{part}" for part in _PARTS), "plot")
    _css = _STATIC / "plot.css"
    label = T.Unicode().tag(sync=True)
    empty = T.Unicode().tag(sync=True)
    current = T.Unicode()
    selected = T.List(T.Unicode())
    spec = T.Dict().tag(sync=True)  # the figure (``figure_spec``) with its version, empty without one
    marks = T.Dict().tag(sync=True)  # further traces above it
    rings = T.List(T.Any()).tag(sync=True)  # [trace, number] of the points of the current id
    chosen = T.Dict().tag(sync=True)  # numbers of the selected points of each trace that has any
    described = T.Bool(False).tag(sync=True)

    def __init__(
        self,
        figure: go.Figure | None = None,
        describe: Describe | None = None,
        **traits: Any,
    ) -> None:
        self.figure: Any = None  # a plotly figure, or None
        self.version = 0  # of what the page shows, sent with the spec and back with numbers of points
        self._sent: tuple[dict[str, Any], list[Any]] = {}, []  # the spec, and the ids of each trace
        self._places: dict[str, list[tuple[int, Any]]] | None = None
        super().__init__(**traits, described=describe is not None)
        self.runner = JobRunner()  # of the descriptions
        self._describe = describe
        self.on_msg(self._answer)
        self._on("show", self._show)
        self._on("select", lambda points: setattr(self, "selected", self._ids(points)))
        if figure is not None:
            self.show(figure)

    def show(self, figure: go.Figure | None) -> None:
        """Show another figure, without marks; None shows the hint. An equal figure is not sent again.

        The zoom is kept while title, axis titles and number of traces stay, or as ``layout.uirevision`` says.
        """
        sent = ({}, []) if figure is None else (figure_spec(figure), _trace_ids(figure))
        with self.hold_sync():
            self.figure = figure
            self.marks = {}
            if sent == self._sent:
                return
            self._sent, self._places = sent, None
            self.version += 1
            self.spec = {**sent[0], "version": self.version} if sent[0] else {}
            self._place_current()
            self._place_selected()

    def mark(self, traces: Iterable[Any]) -> None:
        """Draw further traces (of plotly, or dicts) above the figure, which is not sent again."""
        traces = list(traces)
        self.marks = traces_spec(traces) if traces else {}

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of a point that was clicked, or on which Enter was pressed."""

        def pick(point: Any) -> None:
            for identifier in self._ids([point]):
                handler(identifier)

        self._on("pick", pick)

    def on_select(self, handler: Callable[[list[str]], None]) -> None:
        """Call ``handler`` with the ids of the points in a box or lasso; with none when it is removed."""
        self._on("select", lambda points: handler(self._ids(points)))

    def close(self) -> None:
        self.runner.cancel()
        super().close()

    def _on(self, kind: str, act: Callable[[Any], None]) -> None:
        def hear(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if kind in content and content.get("version") == self.version:
                act(content[kind])

        self.on_msg(hear)

    def _ids(self, points: Iterable[Any]) -> list[str]:
        """The ids of points [trace, number] (in a heatmap the number is [row, column]), each once."""
        ids = self._sent[1]
        found: dict[str, None] = {}
        for trace, number in points:
            if trace < len(ids) and ids[trace] is not None:
                name = ids[trace][number] if isinstance(number, int) else ids[trace][number[0]][number[1]]
                found[str(name)] = None
        return list(found)

    def _points(self, identifier: str) -> list[tuple[int, Any]]:
        if self._places is None:
            self._places = {}
            for number, ids in enumerate(self._sent[1]):
                for place, row in enumerate(() if ids is None else ids):
                    cells = [(place, row)] if isinstance(row, str) else _cells(place, row)
                    for point, name in cells:
                        self._places.setdefault(str(name), []).append((number, point))
        return self._places.get(identifier, [])

    @T.observe("current")
    def _place_current(self, _: object = None) -> None:
        self.rings = [list(point) for point in self._points(self.current)] if self.current else []

    @T.observe("selected")
    def _place_selected(self, _: object = None) -> None:
        chosen: dict[str, list[Any]] = {}
        for identifier in self.selected:
            for trace, number in self._points(identifier):
                chosen.setdefault(str(trace), []).append(number)
        self.chosen = {trace: sorted(numbers) for trace, numbers in chosen.items()}

    def _show(self, point: Any) -> None:
        describe, identifiers = self._describe, self._ids([point])
        if describe is None or not identifiers:
            return

        def work(progress: Progress) -> None:
            caption, picture = describe(identifiers[0])
            progress("Loading a picture", 1, 1)
            content = {"show": point, "caption": caption, "opens": identifiers[0]}
            self.send(content, buffers=[picture])

        self.runner.submit(work)

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("need") == "script" and self._due(str(content.get("page"))):
            templates = {
                name: json.loads(to_json_plotly(pio.templates[key].to_plotly_json()))
                for name, key in (("light", LIGHT), ("dark", DARK))
            }
            self.send({"templates": templates}, buffers=[plotly_script()])
        if content.get("need") == "csv":
            self.send({"csv": "" if self.figure is None else figure_csv(self.figure)})

    def _due(self, page: str) -> bool:
        """Whether a page needs plotly.js: not while an answer is on its way, unless its widget was closed."""
        now = time.monotonic()
        when, widget = _served.get(page, (-_PAUSE, self))
        due = now - when >= _PAUSE or widget.comm is None
        if due:
            _served[page] = now, self
        return due


def _trace_ids(figure: go.Figure) -> list[Any]:
    """The ids of each trace: a sequence, or None."""
    return [_listed(getattr(trace, "ids", None)) for trace in figure.data]


def _listed(names: Any) -> Any:
    if isinstance(names, np.ndarray):
        return names.tolist()
    rows = isinstance(names, (list, tuple)) and len(names) > 0 and not isinstance(names[0], str)
    return [_listed(row) for row in names] if rows else names


def _cells(row: int, names: Any) -> list[tuple[Any, Any]]:
    if isinstance(names, (int, float)) or not hasattr(names, "__len__"):
        return [(row, names)]
    return [([row, column], name) for column, name in enumerate(names)]
