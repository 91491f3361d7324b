"""The recounting of an event: its moments under the heat of their cells, above the sum over parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.collections.video.moment import clock, seconds_of
from workbench.common.rounding import signed
from workbench.figures.contributions import PLACE, ROW, spread, waterfall
from workbench.figures.heated_picture import add_picture, heat_axis
from workbench.figures.narrow_layout import SCALE, captions, narrow, scale_below, stacked, stacked_annotations
from workbench.figures.style import Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.recounting import Cells, Recounting

PICTURES, COLUMNS = 6, 3  # moments that are drawn, and in a row
_HEIGHT, _GAP, _TOP, _BOTTOM = 190, 44, 96, SCALE + 16  # pixels of a row of pictures, between, and around
_NAMES = 0.28  # of the width, for the names of bars; less than the first of three pictures
_STACKED = ((700, 260), (440, 200))  # pixels of a narrow chart, and of a picture in it
_CAPTION = 32  # pixels above a plot, for its name


def recounting(result: Recounting) -> Figure:
    """The moments that add most, in order of time, under the heat of what their cells add, on one scale.

    Below is the score as a sum over the parts of the query and their regions or concepts, of all moments.
    """
    title = f"Event {text(result.title, 40)}: score {result.score:.3f}"
    cells = drawn_cells(result)
    if not cells:
        return notice("The event has no moment with an explanation.", title)
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    total = waterfall(result.sum())
    heights = [*[_HEIGHT] * rows, ROW * total.rows]
    area = sum(heights) + _GAP * rows
    figure = new_figure(
        title,
        f"{text(result.video, 60)}, {clock(result.start)}–{clock(result.end)}, "
        f"threshold {result.threshold:.3f}<br>"
        + subtitle(
            text(result.pipeline, 50),
            f"n = {len(result.moments):,} moments",
            f"heat of {len(cells)} of them" if len(cells) < len(result.moments) else "",
            collection=result.collection,
            pipelines=[result.pipeline],
        ),
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
        subplot_titles=[_caption(result, part) for part in cells],
        specs=[
            *(
                [{} if row * columns + n < len(cells) else None for n in range(columns)]
                for row in range(rows)
            ),
            [{"colspan": columns}, *[None] * (columns - 1)],
        ],
    )
    figure.update_annotations(font_size=12)
    for n, part in enumerate(cells):
        add_picture(figure, n % columns + 1, part.picture, part.heatmap, np.zeros((0, 4)), n // columns + 1)
    figure.add_traces(total.traces, rows=rows + 1, cols=1)
    figure.update_xaxes({**total.x, "domain": [_NAMES, 1]}, row=rows + 1, col=1)
    figure.update_yaxes(total.y, row=rows + 1, col=1)
    top = max(float(np.abs(part.heatmap).max(initial=0)) for part in cells) or 1.0
    figure.update_layout(coloraxis=heat_axis(top, _scale(area)))
    captions(figure, [1 / columns] * len(cells))
    for below, side in _STACKED:
        sizes = [*[side] * len(cells), ROW * total.rows]
        gaps = [_CAPTION] * len(cells)
        domains = stacked(sizes, gaps)
        axes: dict[str, Any] = {}
        for number, domain in enumerate(domains, start=1):
            name = "" if number == 1 else str(number)
            picture = number <= len(cells)
            axes[f"yaxis{name}"] = {"domain": domain}
            axes[f"xaxis{name}"] = {
                "domain": [0, 1] if picture else [0.44, 1],
                "constraintoward": "left",
                **({} if picture else {"range": spread(total, 0.5)}),
            }
        narrow(
            figure,
            below,
            height=sum(sizes) + sum(gaps) + _TOP + _BOTTOM,
            annotations=stacked_annotations(figure, domains),
            coloraxis={"colorbar": _scale(sum(sizes) + sum(gaps))},
            meta={"captions": [1.0] * len(cells)},
            **axes,
        )
    return figure


def drawn_cells(result: Recounting) -> list[Cells]:
    """The moments whose heat is drawn: of all explained ones those that add most, in order of time."""
    added = dict(zip(result.moments["moment"], result.moments["contribution"].abs(), strict=True))
    strongest = sorted(result.cells, key=lambda part: -added[part.moment])[:PICTURES]
    return sorted(strongest, key=lambda part: seconds_of(part.moment))


def _caption(result: Recounting, part: Cells) -> str:
    added = dict(zip(result.moments["moment"], result.moments["contribution"].tolist(), strict=True))
    return f"{clock(seconds_of(part.moment))}: {signed(added[part.moment], 3)}"


def _scale(area: float) -> dict[str, Any]:
    """The scale of heat, below the title of the bars' axis."""
    place = scale_below(area)
    title = {**place["title"], "text": "contribution of a cell"}
    return {**place, "title": title, "y": -60 / area, "len": 0.5}
