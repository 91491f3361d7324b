"""A plotly figure redrawn by matplotlib as SVG: lines, markers, bars and heatmaps."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import matplotlib
import plotly.graph_objects as go
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Transform, blended_transform_factory

from workbench.report.redrawn_traces import DASHES, KINDS, PIXEL, plain, rgba

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text that the browser draws, also in scripts that matplotlib has no font for
    "svg.hashsalt": "workbench",  # equal figures give equal files
    "text.parse_math": False,  # ``$`` in a name is no formula
    "font.size": 12 * PIXEL,
}
_INCH = 96  # pixels
_MARGINS = {"left": 8.0, "right": 8.0, "bottom": 8.0, "top": 8.0}  # pixels around all that is drawn

_SIDES: list[Literal["x", "y"]] = ["x", "y"]

Axis = tuple[str, str]  # the x and y axis of a trace, as plotly names them
Marks = list[tuple[Any, Artist]]  # the traces of the legend, each with its mark


def redraw(figure: go.Figure) -> bytes:
    """The figure, with its template, width and height, as SVG without titles."""
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that are missing in the font that measures text
        drawing = Figure((figure.layout.width / _INCH, figure.layout.height / _INCH), facecolor="none")
        FigureCanvasSVG(drawing)
        traces = [trace for trace in figure.data if trace.visible not in (False, "legendonly")]
        names = list(dict.fromkeys(map(_axes_of, traces))) or [("x", "y")]
        places = {name: drawing.add_axes((0, 0, 1, 1), label=str(name)) for name in names}
        marks = _draw_traces(places, figure, traces)
        for name, axes in places.items():
            _style(axes, figure, name)
        if left_out := {trace.type for trace in traces} - {*KINDS}:
            note = f"not drawn without kaleido: {', '.join(sorted(left_out))}"
            drawing.text(0.5, 0.5, note, ha="center", color=rgba(figure.layout.template.layout.font.color))
        _notes(places, figure)
        _arrange(drawing, figure, places, marks)
        data = io.BytesIO()
        drawing.savefig(data, format="svg", dpi=192, metadata={"Date": None, "Creator": None})
    return data.getvalue()


def _draw_traces(
    places: Mapping[Axis, Axes], figure: go.Figure, traces: list[Any]
) -> list[tuple[Any, Artist]]:
    """Draw all traces; returns those of the legend in its order, with their marks."""
    palette, marks = figure.layout.template.layout.colorway, []
    for number, trace in enumerate(figure.data):
        if trace in traces and trace.type in KINDS:
            mark = KINDS[trace.type](places[_axes_of(trace)], trace, palette[number % len(palette)])
            if mark is not None and trace.name and trace.showlegend is not False:
                marks.append((trace, mark))
    shown = figure.layout.showlegend
    if shown is False or (len(marks) < 2 and not shown and not any(trace.showlegend for trace, _ in marks)):
        return []
    marks.sort(key=lambda entry: 1000 if entry[0].legendrank is None else entry[0].legendrank)
    return marks[::-1] if figure.layout.legend.traceorder == "reversed" else marks


def _style(axes: Axes, figure: go.Figure, name: Axis) -> None:
    """The scales, ticks, titles and colours of a pair of axes."""
    template = figure.layout.template.layout
    text, quiet = template.font.color, template.title.subtitle.font.color
    axes.set_facecolor("none")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=rgba(text), pad=4)
    for side, reference in zip(_SIDES, name, strict=True):
        axis, drawn = _layout_axis(figure, reference), getattr(axes, f"{side}axis")
        if axis.visible is False:
            drawn.set_visible(False)
            continue
        if axis.type == "log":
            getattr(axes, f"set_{side}scale")("log")
        if axis.tickvals is not None:
            labels = axis.ticktext if axis.ticktext is not None else axis.tickvals
            drawn.set_ticks([*axis.tickvals], [plain(label) for label in labels])
        if axis.tickangle:
            axes.tick_params(side, rotation=-axis.tickangle)
            if side == "x":
                for label in axes.get_xticklabels():
                    label.set(ha="right" if axis.tickangle < 0 else "left", rotation_mode="anchor")
        if axis.showticklabels is False:
            drawn.set_ticklabels([])
        if axis.range is not None:
            low, high = (10**end for end in axis.range) if axis.type == "log" else axis.range
            getattr(axes, f"set_{side}lim")(low, high)
        elif axis.autorange == "reversed":
            drawn.set_inverted(True)
        if axis.showgrid is not False:
            axes.grid(axis=side, color=rgba(template.xaxis.gridcolor), linewidth=1 * PIXEL)
        getattr(axes, f"set_{side}label")(plain(axis.title.text), color=rgba(text), size=14 * PIXEL)
    axes.set_axisbelow(True)
    axes.set_prop_cycle(None)
    for label in axes.texts:
        label.set_color(rgba(text))
    for inner in axes.child_axes:  # colour scales
        inner.tick_params(length=0, colors=rgba(quiet))
        inner.yaxis.label.set_color(rgba(text))


def _notes(places: Mapping[Axis, Axes], figure: go.Figure) -> None:
    """The lines, boxes and texts of the layout."""
    template = figure.layout.template.layout
    first = next(iter(places))
    for shape in figure.layout.shapes:
        axes = places.get((_name(shape.xref, first[0]), _name(shape.yref, first[1])), places[first])
        transform = _transform(axes, shape.xref, shape.yref)
        color = rgba(shape.line.color or template.font.color, shape.opacity)
        x, y = (shape.x0, shape.x1), (shape.y0, shape.y1)
        if shape.type == "rect":
            face = rgba(shape.fillcolor, shape.opacity) if shape.fillcolor else "none"
            corners = [x[0], x[1], x[1], x[0]], [y[0], y[0], y[1], y[1]]
            axes.fill(*corners, facecolor=face, edgecolor="none", transform=transform)
        elif shape.type == "line":
            width = 2 if shape.line.width is None else shape.line.width
            style = {
                "color": color,
                "linewidth": width * PIXEL,
                "linestyle": DASHES.get(shape.line.dash, "-"),
            }
            axes.plot(x, y, transform=transform, scalex=False, scaley=False, **style)
    for note in figure.layout.annotations:
        axes = places.get((_name(note.xref, first[0]), _name(note.yref, first[1])), places[first])
        across, along = note.xanchor or "auto", note.yanchor or "auto"
        axes.text(
            note.x,
            note.y,
            plain(note.text),
            transform=_transform(axes, note.xref, note.yref),
            color=rgba(note.font.color or template.font.color),
            fontsize=(note.font.size or 12) * PIXEL,
            ha=across if across != "auto" else "center",
            va={"middle": "center", "auto": "center"}.get(along, along),
        )


def _arrange(drawing: Figure, figure: go.Figure, places: Mapping[Axis, Axes], marks: Marks) -> None:
    """Give the axes the space that labels and legend leave, once these are drawn."""
    width, height = figure.layout.width, figure.layout.height
    legend, at = None, figure.layout.legend
    # Below the labels of the axes, wherever these end.
    below = _MARGINS["bottom"] / height if at.yref == "container" or (at.y or 0) < 0 else 0.0
    if marks:
        corner: Any = f"{'lower' if at.yanchor == 'bottom' and not below else 'upper'} left"
        legend = drawing.legend(
            [mark for _, mark in marks],
            [plain(trace.name) for trace, _ in marks],
            loc=corner,
            labelcolor=rgba(figure.layout.template.layout.font.color),
            ncols=len(marks) if at.orientation == "h" else 1,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=3,
        )
    margins = {**_MARGINS}
    for _ in range(3):
        left, right = margins["left"] / width, 1 - margins["right"] / width
        bottom, top = margins["bottom"] / height, 1 - margins["top"] / height
        for (horizontal, vertical), axes in places.items():
            x0, x1 = _layout_axis(figure, horizontal).domain or (0, 1)
            y0, y1 = _layout_axis(figure, vertical).domain or (0, 1)
            w, h = right - left, top - bottom
            axes.set_position((left + x0 * w, bottom + y0 * h, (x1 - x0) * w, (y1 - y0) * h))
        if legend is not None:
            x, y = 1.02 if at.x is None else at.x, 1.0 if at.y is None else at.y
            height_at = bottom + y * (top - bottom)
            if below:
                boxes = [box for axes in places.values() if (box := axes.get_tightbbox()) is not None]
                height_at = min(box.y0 for box in boxes) / drawing.bbox.height
            legend.set_bbox_to_anchor((left + x * (right - left), height_at - below), drawing.transFigure)
        box = drawing.get_tightbbox()
        margins["left"] += max(0, _MARGINS["left"] - box.x0 * _INCH)
        margins["right"] += max(0, _MARGINS["right"] - width + box.x1 * _INCH)
        margins["bottom"] += max(0, _MARGINS["bottom"] - box.y0 * _INCH)
        margins["top"] += max(0, _MARGINS["top"] - height + box.y1 * _INCH)


def _axes_of(trace: Any) -> Axis:
    return getattr(trace, "xaxis", None) or "x", getattr(trace, "yaxis", None) or "y"


def _layout_axis(figure: go.Figure, reference: str) -> Any:
    """The axis of the layout that a trace calls "x" or "y2"."""
    return figure.layout[f"{reference[0]}axis{reference[1:]}"]


def _name(reference: str | None, default: str) -> str:
    """The axis of a reference such as "x2 domain"; the default for "paper"."""
    return default if reference in (None, "paper") else str(reference).removesuffix(" domain")


def _transform(axes: Axes, x: str | None, y: str | None) -> Transform:
    """Where a shape or note stands: in the units of the axes, or as a fraction of the plot."""
    free = [reference == "paper" or str(reference).endswith(" domain") for reference in (x, y)]
    return blended_transform_factory(*(axes.transAxes if part else axes.transData for part in free))
