"""Charts in the theme of JupyterLab: plotly's figures, coloured and lettered by CSS."""

from __future__ import annotations

from copy import deepcopy
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as W
import plotly.graph_objects as go

_STATIC = Path(__file__).parent / "static"
# Okabe and Ito's colours that stand out on light and on dark: A, B, and the others in turn.
BLUE, VERMILLION, GREY = "#0072b2", "#d55e00", "#888888"
OTHERS = ("#009e73", "#b35f94", "#8a7a00", "#777777")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


class Chart(go.FigureWidget):
    """A figure without background or buttons; its text and lines follow the theme (charts.css)."""

    _css = _STATIC / "charts.css"

    def __init__(self, x: str, y: str, height: int, **layout: Any) -> None:
        super().__init__()
        self._config = {"displayModeBar": False, "responsive": True, "scrollZoom": False}
        axis: dict[str, Any] = {"zeroline": False, "fixedrange": True, "title": {"standoff": 6}}
        self.update_layout(
            height=height,
            autosize=True,
            margin={"l": 44, "r": 8, "t": 8, "b": 36},
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
            font={"size": 11, "family": "inherit"},
            hoverlabel={"font": {"size": 11, "family": "inherit"}, "align": "left"},
            showlegend=False,
            dragmode=False,
            xaxis=axis,
            yaxis=axis,
        )
        self.update_layout(**layout)
        self.update_layout(xaxis_title_text=x, yaxis_title_text=y)
        self.settle()

    def settle(self) -> None:
        """Write down what was changed, for a view that opens later: it was not there to be told."""
        self._widget_layout = deepcopy(self._layout_obj._props)
        self._widget_data = deepcopy(self._data)


def framed(chart: Chart) -> W.Box:
    """The chart as wide as its place."""
    box = W.Box([chart])
    box.add_class("wb-chart")
    return box


def plain(text: str) -> str:
    """Text for a chart, where plotly would read tags."""
    return escape(text, quote=False)
