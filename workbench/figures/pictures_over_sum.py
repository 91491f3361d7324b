"""Pictures under the heat of what their cells add, above the sum that they explain, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from workbench.collections.named_picture import NamedPicture
from workbench.figures.contributions import PLACE, ROW, Waterfall, spread
from workbench.figures.heated_picture import add_picture, heat_axis
from workbench.figures.narrow_layout import SCALE, captions, narrow, scale_below, stacked, stacked_annotations
from workbench.figures.style import Figure, new_figure

_GAP, _TOP, _BOTTOM = 44, 96, SCALE + 16  # pixels between rows, and around them
_NAMES = 0.28  # of the width, for the names of bars; less than the first of three pictures
_CAPTION = 32  # pixels above a plot of a narrow chart, for its name


class HeatedPicture(NamedTuple):
    """A caption, a picture, the heat of its cells [H, W], and the boxes [n, 4] that are drawn in it."""

    caption: str
    picture: NamedPicture
    heat: np.ndarray
    boxes: np.ndarray


class Narrow(NamedTuple):
    """Of a chart up to ``below`` pixels wide: the height of a picture, and the share of the bars' names."""

    below: int
    side: int
    names: float


def draw_pictures_over_sum(
    title: str,
    details: str,
    pictures: Sequence[HeatedPicture],
    columns: int,
    height: int,
    total: Waterfall,
    layouts: Sequence[Narrow],
) -> Figure:
    """Pictures in rows of ``columns``, each ``height`` pixels high, and the sum below them.

    In a narrow chart the pictures and the sum are below one another, as ``layouts`` say.
    """
    rows, count = -(-len(pictures) // columns), len(pictures)
    heights = [*[height] * rows, ROW * total.rows]
    area = sum(heights) + _GAP * rows
    figure = new_figure(
        title,
        details,
        height=area + _TOP + _BOTTOM,
        showlegend=False,
        margin={"t": _TOP, "b": _BOTTOM, "l": 12, "r": PLACE[0] + 2 * PLACE[2]},
    )
    figure.set_subplots(
        rows=rows + 1,
        cols=columns,
        row_heights=heights,
        vertical_spacing=_GAP / area,
        horizontal_spacing=0.06,
        subplot_titles=[shown.caption for shown in pictures],
        specs=[
            *([{} if row * columns + n < count else None for n in range(columns)] for row in range(rows)),
            [{"colspan": columns}, *[None] * (columns - 1)],
        ],
    )
    figure.update_annotations(font_size=12)
    for n, (_, picture, heat, boxes) in enumerate(pictures):
        add_picture(figure, n % columns + 1, picture, heat, boxes, n // columns + 1)
    figure.add_traces(total.traces, rows=rows + 1, cols=1)
    # The names of the bars have a share of the width of their own, so that the pictures have the whole width.
    figure.update_xaxes({**total.x, "domain": [_NAMES, 1]}, row=rows + 1, col=1)
    figure.update_yaxes(total.y, row=rows + 1, col=1)
    top = max(float(np.abs(shown.heat).max(initial=0)) for shown in pictures) or 1.0
    figure.update_layout(coloraxis=heat_axis(top, _scale(area)))
    captions(figure, [1 / columns] * count)
    for layout in layouts:
        _stack(figure, count, total, layout)
    return figure


def _stack(figure: Figure, count: int, total: Waterfall, layout: Narrow) -> None:
    """Name the layout of a narrow chart: the pictures and the sum below one another."""
    heights = [*[layout.side] * count, ROW * total.rows]
    gaps = [_CAPTION] * count
    domains = stacked(heights, gaps)
    axes: dict[str, Any] = {}
    for number, domain in enumerate(domains, start=1):
        name = "" if number == 1 else str(number)
        picture = number <= count
        axes[f"yaxis{name}"] = {"domain": domain}
        axes[f"xaxis{name}"] = {
            "domain": [0, 1] if picture else [layout.names, 1],
            "constraintoward": "left",
            **({} if picture else {"range": spread(total, 0.5)}),
        }
    narrow(
        figure,
        layout.below,
        height=sum(heights) + sum(gaps) + _TOP + _BOTTOM,
        annotations=stacked_annotations(figure, domains),
        coloraxis={"colorbar": _scale(sum(heights) + sum(gaps))},
        meta={"captions": [1.0] * count},
        **axes,
    )


def _scale(area: float) -> dict[str, Any]:
    """The scale of heat, below the title of the bars' axis. It lies in narrow charts and in others."""
    place = scale_below(area)
    title = {**place["title"], "text": "contribution of a cell"}
    return {**place, "title": title, "y": -60 / area, "len": 0.5}
