"""The style of all figures: two templates, one palette, and text that is shown as text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from numpy.typing import ArrayLike

from workbench.common.drawable import mimebundle
from workbench.common.palette import PALETTE
from workbench.config.printable import printable
from workbench.figures.images import offline_kaleido

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "hexagon")
ADDS, SUBTRACTS = "#d9630c", "#4472c4"  # as in ``common.colormaps``, with the contrast of the palette
SEMI_SYNTHETIC = ("posters", "reels")  # the collections that are rendered
MAX_CHARACTERS = 60  # of a name on an axis or in a legend
LEGEND_BELOW = {"x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
NOTICE = "notice"  # name of an annotation that the widget wraps to the width of the chart
WEBGL_FROM = 2000  # points; a page has about 16 WebGL contexts, so small charts do without
LIGHT, DARK = "workbench_light", "workbench_dark"
# Of plotly.js: no button that uploads the data of a figure, and no link to plotly's site.
PRIVATE = {"displaylogo": False, "showSendToCloud": False, "modeBarButtonsToRemove": ["sendChartToCloud"]}


def _template(text: str, quiet: str, grid: str, ground: str) -> go.layout.Template:
    axis = {
        "gridcolor": grid,
        "linecolor": quiet,
        "zerolinecolor": quiet,
        "tickcolor": quiet,
        "automargin": True,
        "title": {"standoff": 8},
    }
    scene_axis = {"gridcolor": grid, "linecolor": quiet, "zerolinecolor": quiet, "showbackground": False}
    return go.layout.Template(
        layout={
            "font": {
                "family": 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif',
                "size": 12,
                "color": text,
            },
            "title": {
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"t": 14, "l": 12},
                "font": {"size": 14},
                "subtitle": {"font": {"size": 12, "color": quiet}},
            },
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(PALETTE),
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
            "legend": {"bgcolor": "rgba(0,0,0,0)"},
            "hoverlabel": {
                "bgcolor": ground,
                "bordercolor": quiet,
                "font": {"color": text},
                "align": "left",
                "namelength": -1,
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": quiet, "activecolor": text},
            "margin": {"l": 56, "r": 16, "t": 64, "b": 48},
            "colorscale": {
                "sequential": "Viridis",
                "diverging": [[0, SUBTRACTS], [0.5, "#f2f2f2"], [1, ADDS]],
            },
        },
        data={"heatmap": [{"colorscale": "Viridis"}]},  # plotly takes no scale of the layout for these
    )


pio.templates[LIGHT] = _template("#1f2328", "#59636e", "rgba(128,128,128,0.25)", "#ffffff")
pio.templates[DARK] = _template("#e6e6e6", "#a0a8b0", "rgba(128,128,128,0.3)", "#1e1e1e")


class Figure(go.Figure):
    """A plotly figure that a notebook shows by the workbench's widget: offline, in the theme of the page."""

    _ipython_display_ = None  # plotly's own, which would come first

    def to_html(self, config: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> str:
        """As plotly's, by default without the button that uploads the data."""
        return str(super().to_html({**PRIVATE, **(config or {})}, *args, **kwargs))

    def write_html(self, file: Any, config: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        """As plotly's, by default without the button that uploads the data."""
        super().write_html(file, {**PRIVATE, **(config or {})}, *args, **kwargs)

    def show(self, *args: Any, config: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """As plotly's, by default without the button that uploads the data."""
        return super().show(*args, config={**PRIVATE, **(config or {})}, **kwargs)

    def to_image(self, *args: Any, **kwargs: Any) -> Any:
        """As plotly's, by kaleido, without a request to the network."""
        with offline_kaleido():
            return super().to_image(*args, **kwargs)

    def write_image(self, *args: Any, **kwargs: Any) -> None:
        """As plotly's, by kaleido, without a request to the network."""
        with offline_kaleido():
            super().write_image(*args, **kwargs)

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return mimebundle(self)


def text(name: object, characters: int = MAX_CHARACTERS) -> str:
    """A name as plotly shows it literally: no markup, no formula; of a long one the middle is left out.

    Plotly reads ``<b>`` and ``<a>`` as markup, ``$…$`` as a formula and, in names, ``%{…}`` as a variable.
    Put the result into ``text``, ``hovertext``, ``customdata``, ``name`` or ``ticktext``, never into a
    template (``%{…}``).
    """
    shown = printable(name)
    if len(shown) > characters:
        kept = characters - 1
        shown = f"{shown[: kept - kept // 2]}…{shown[len(shown) - kept // 2 :]}"
    return html.escape(shown, quote=False).replace("$", "&#36;").replace("%{", "%&#123;")


def plain(markup: object, line_break: str = " · ") -> str:
    """What plotly shows for a text with markup, the reverse of ``text``."""
    lines = re.sub(r"<br\s*/?>", line_break, "" if markup is None else str(markup))
    return html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", lines))


def translucent(colour: str, opacity: float) -> str:
    """A colour such as ``#2484c0`` with an opacity 0…1."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def error_bars(values: ArrayLike, low: ArrayLike, high: ArrayLike) -> dict[str, Any]:
    """The bars from values [n] to both ends of their intervals [n]."""
    return {
        "array": np.subtract(high, values),
        "arrayminus": np.subtract(values, low),
        "symmetric": False,
        "thickness": 1.5,
    }


def new_figure(title: str, subtitle: str = "", x: str = "", y: str = "", **layout: Any) -> Figure:
    """An empty figure with its titles; titles are markup, so names in them must have passed ``text``."""
    figure = Figure()
    figure.update_layout(
        template=LIGHT,
        title={"text": title, "subtitle": {"text": subtitle}},
        xaxis={"title": {"text": x}},
        yaxis={"title": {"text": y}},
        **layout,
    )
    return figure


def notice(sentence: str, title: str = "") -> Figure:
    """A figure that says in one sentence why there is nothing to draw."""
    figure = new_figure(title, height=160)
    figure.update_layout(xaxis={"visible": False}, yaxis={"visible": False})
    figure.add_annotation(
        text=sentence,
        name=NOTICE,
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 13},
    )
    return figure


def subtitle(*parts: str, collection: str = "", pipelines: Iterable[object] = ()) -> str:
    """The parts of a subtitle in one line, and what must be said: semi-synthetic data, random weights.

    ``collection`` is the name of the collection, as in ``Evaluation.collection``.
    """
    remarks = ["semi-synthetic data"] if collection in SEMI_SYNTHETIC else []
    if any("@random" in str(pipeline) for pipeline in pipelines):
        remarks.append("random weights")
    return " · ".join([*filter(None, parts), *remarks])
