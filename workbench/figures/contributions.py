"""A score as a sum over regions: each level, and the strongest regions in it, as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from workbench.common.palette import NEUTRAL
from workbench.common.rounding import signed
from workbench.explain.sum_text import share_text, value_text
from workbench.explain.sums import BOX
from workbench.figures.narrow_layout import narrow
from workbench.figures.style import ADDS, SUBTRACTS, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.sums import Line, Sum

ROW = 19  # pixels of a line
PLACE = 20, 15, 8  # pixels: width and height of the place of a region, and its distance from the bars
WIDTHS = {"part": 0.5, "others": 0.5}  # of a bar, in lines


class Waterfall(NamedTuple):
    """The traces of a waterfall with horizontal bars, and its axes."""

    traces: list[go.Bar | go.Scatter]
    x: dict[str, object]
    y: dict[str, object]
    rows: int
    ends: tuple[float, float]  # of all bars


def contributions(total: Sum, collection: str = "", pipeline: str = "") -> Figure:
    """The parts of a sum from zero to the whole, in the order of their groups.

    A pale bar is a group, such as a level; the bars below it are its strongest regions, with their places in
    the picture drawn at the right, and the sum of its others. The ``id`` of a bar is its row in
    ``total.parts``; other bars have the name of their kind.
    """
    title = f"{total.name.capitalize()} as a sum over {total.unit}"
    if not len(total.parts):
        return notice("There is no region, so there is nothing to add up.", title)
    drawn = waterfall(total)
    details = subtitle(f"n = {len(total.parts):,} {total.unit}", collection=collection, pipelines=[pipeline])
    figure = new_figure(
        title,
        text(pipeline, 50) + ("<br>" if pipeline else "") + details,
        margin={"t": 84 if pipeline else 64, "r": PLACE[0] + 2 * PLACE[2]},
        height=130 + ROW * drawn.rows,
        showlegend=False,
    )
    figure.add_traces(drawn.traces)
    figure.update_layout(xaxis=drawn.x, yaxis=drawn.y, shapes=places(total))
    narrow(figure, 480, xaxis={"range": spread(drawn, 0.45)})
    return figure


def spread(drawn: Waterfall, share: float) -> list[float]:
    """The range of its x axis with this share of the bars' width free for the values beside them."""
    low, high = drawn.ends
    return [low - 0.02 * (high - low), high + share * (high - low)]


def waterfall(total: Sum, numbered: Sequence[int] = ()) -> Waterfall:
    """The waterfall of a sum, for a figure of its own or as a part of another.

    ``numbered`` are the rows of parts that are drawn with a number, from 1, on a picture.
    """
    lines = total.lines()
    starts, ends = _spans(lines)
    rows = list(range(len(lines)))
    low, high = min(0.0, *starts, *ends), max(0.0, *starts, *ends)
    high = high if high > low else low + 1.0
    bars = go.Bar(
        orientation="h",
        y=rows,
        base=starts,
        x=[end - start for start, end in zip(starts, ends, strict=True)],
        width=[WIDTHS.get(line.kind, 0.86) for line in lines],
        marker={
            "color": [_colour(line) for line in lines],
            "opacity": [0.45 if _has_parts(lines, row) else 1 for row, line in enumerate(lines)],
            "line": {"width": 0},
        },
        text=[value_text(line) for line in lines],
        textposition="none",
        hovertext=[_hover(line, total) for line in lines],
        hoverinfo="text",
        ids=[str(line.part) if line.part >= 0 else f"{line.kind} {row}" for row, line in enumerate(lines)],
        name=total.name,
    )
    values = go.Scatter(  # beside the bars: text outside a bar with a base would be cut off at its axis
        x=[max(start, end) for start, end in zip(starts, ends, strict=True)],
        y=rows,
        mode="text",
        text=[
            f"<b>{value_text(line)}</b>" if line.kind in ("group", "whole") else value_text(line)
            for line in lines
        ],
        textposition="middle right",
        textfont={"size": 11},
        cliponaxis=False,
        hoverinfo="skip",
    )
    numbers = {row: f"{number} · " for number, row in enumerate(numbered, start=1)}
    names = [numbers.get(line.part, "") + _name(line, total) for line in lines]
    return Waterfall(
        [bars, values],
        {
            "title": {"text": f"sum of contributions to the {total.name}", "font": {"size": 12}},
            "range": [low - 0.02 * (high - low), high + 0.2 * (high - low)],
        },
        {
            "title": {"text": ""},
            "tickvals": rows,
            "ticktext": names,
            "range": [len(lines) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"size": 11},
        },
        len(lines),
        (low, high),
    )


def places(total: Sum, axis: str = "") -> list[dict[str, object]]:
    """The place of each listed region in its picture, as shapes at the right of the bars of an axis."""
    width, height, distance = PLACE
    shapes: list[dict[str, object]] = []
    for row, line in enumerate(total.lines()):
        if line.part < 0 or "x0" not in total.parts:
            continue
        x0, y0, x1, y1 = (float(total.parts[edge][line.part]) for edge in BOX)
        frame = {"opacity": 0.35, "fillcolor": NEUTRAL}
        for box, look in (
            ((0.0, 0.0, 1.0, 1.0), frame),
            ((x0, y0, x1, y1), {"fillcolor": _colour(line)}),
        ):
            shapes.append(
                {
                    "type": "rect",
                    "xref": f"x{axis} domain",
                    "yref": f"y{axis}",
                    "xsizemode": "pixel",
                    "ysizemode": "pixel",
                    "xanchor": 1,
                    "yanchor": row,
                    "x0": distance + width * box[0],
                    "x1": distance + width * box[2],
                    "y0": height * (0.5 - box[1]),  # pixels count upwards
                    "y1": height * (0.5 - box[3]),
                    "line": {"width": 0},
                    **look,
                }
            )
    return shapes


def _spans(lines: list[Line]) -> tuple[list[float], list[float]]:
    """The start and the end of each bar; a group ends where its last part does."""
    starts, ends, position = [], [], 0.0
    for row, line in enumerate(lines):
        start = 0.0 if line.kind == "whole" else position
        starts.append(start)
        ends.append(start + line.value)
        if not _has_parts(lines, row):
            position = start + line.value
    return starts, ends


def _has_parts(lines: list[Line], row: int) -> bool:
    """Whether the line is a group whose parts follow it."""
    return lines[row].kind == "group" and lines[row].part < 0


def _colour(line: Line) -> str:
    if line.kind in ("whole", "constant"):
        return NEUTRAL
    return ADDS if line.value >= 0 else SUBTRACTS


def _name(line: Line, total: Sum) -> str:
    shown = text(line.text)
    if line.kind == "whole":
        return f"<b>{shown}</b>"
    return (
        " · ".join(filter(None, [f"<b>{shown}</b>", share_text(line, total)]))
        if line.kind == "group"
        else shown
    )


def _hover(line: Line, total: Sum) -> str:
    share = share_text(line, total) if line.kind != "whole" else ""
    lines = [text(line.text), f"{value_text(line)}{f' ({share} of the {total.name})' if share else ''}"]
    if line.part >= 0 and "image_id" in total.parts:
        lines.append(f"voted for by a region of {text(total.parts['image_id'][line.part])}")
    if line.part >= 0 and "a" in total.parts:
        a, b = (float(total.parts[side][line.part]) for side in "ab")
        lines.append(f"{signed(a)} in A, {signed(b)} in B")
    return "<br>".join(lines)
