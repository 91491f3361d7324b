"""Two pictures under their heat, and the sums of the score over the regions of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.explain.one import Evidence
from workbench.explain.sums import BOX, Sum
from workbench.figures.contributions import PLACE, ROW, Waterfall, places, spread, waterfall
from workbench.figures.heated_picture import add_picture, heat_axis
from workbench.figures.narrow_layout import captions, narrow, stacked, stacked_annotations
from workbench.figures.style import Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.score import Explanation

PICTURES, GAP, TOP, BOTTOM = 320, 44, 96, 56  # pixels of the row of pictures, and around both rows
# Pixels of a chart with all plots below one another, of a picture in it, and the share of the names of bars.
STACKED = ((760, 320, 0.3), (440, 230, 0.42), (360, 190, 0.42))
CAPTION, TITLES = 32, 72  # pixels above a plot: its name, and that of an axis with its ticks
DRAWN = 3  # regions that are drawn


def explanation(why: Explanation | Evidence) -> Figure:
    """Both pictures under their heat, on one scale, above the sums over the regions of each.

    Of ONE: the query and the image whose regions add the most, above the sum of the votes.
    """
    sides = _sides(why)
    totals = [total for *_, total in sides if total is not None]
    drawn = [waterfall(total, total.strongest(DRAWN)) for total in totals]
    rows = max(part.rows for part in drawn)
    area = PICTURES + GAP + ROW * rows
    figure = new_figure(
        f"Score {why.score:.3f}" + (f" of {text(why.subject)}" if why.subject else ""),
        subtitle(
            text(why.pipeline),
            f"n = {' and '.join(f'{len(total.parts):,} {total.unit}' for total in totals)}",
            collection=why.collection,
            pipelines=[why.pipeline],
        ),
        height=area + TOP + BOTTOM,
        showlegend=False,
        margin={"t": TOP, "b": BOTTOM, "r": PLACE[0] + 2 * PLACE[2]},
    )
    names = [f"{role}: {text(picture.name, 40)}".removesuffix(": ") for role, picture, *_ in sides]
    figure.set_subplots(
        rows=2,
        cols=2,
        row_heights=[PICTURES, ROW * rows],
        vertical_spacing=GAP / area,
        horizontal_spacing=0.16,
        subplot_titles=[*names, *(total.unit for total in totals)],
        specs=[[{}, {}], [{}, {}] if len(drawn) > 1 else [{"colspan": 2}, None]],
    )
    figure.update_annotations(font_size=12)
    top = max(float(np.abs(heat).max(initial=0)) for _, _, heat, _, _ in sides) or 1.0
    for column, (_, picture, heat, boxes, _) in enumerate(sides, start=1):
        add_picture(figure, column, picture, heat, boxes)
    for column, part in enumerate(drawn, start=1):
        figure.add_traces(part.traces, rows=2, cols=column)
        figure.update_xaxes(part.x, row=2, col=column)
        figure.update_yaxes(part.y, row=2, col=column)
    shapes = [
        shape for axis, total in enumerate(totals, start=3) for shape in places(total, str(axis))
    ]  # the axes before are those of the pictures
    figure.update_layout(shapes=shapes)
    length = PICTURES / area
    title = {"text": "contribution<br>of a cell", "font": {"size": 11}}
    figure.update_layout(coloraxis=heat_axis(top, {"title": title, "len": length, "y": 1 - length / 2}))
    _stack(figure, drawn)
    return figure


def _stack(figure: Figure, drawn: Sequence[Waterfall]) -> None:
    """Name the layout of a narrow chart: pictures, their scale and the sums below one another."""
    shares = [0.4, 0.4, *(0.4 if len(drawn) > 1 else 1.0 for _ in drawn)]
    captions(figure, shares)
    for below, side, names in STACKED:
        heights = [side, side, *(ROW * part.rows for part in drawn)]
        gaps = [CAPTION, TITLES + CAPTION, *[TITLES] * (len(drawn) - 1)]
        domains = stacked(heights, gaps)
        axes: dict[str, Any] = {}
        for number, domain in enumerate(domains, start=1):
            across = [0, 1] if number <= 2 else [names, 1]
            name = "" if number == 1 else str(number)
            axes[f"xaxis{name}"] = {"domain": across, "constraintoward": "left"} | (
                {"range": spread(drawn[number - 3], 0.5)} if number > 2 else {}
            )
            axes[f"yaxis{name}"] = {"domain": domain}
        bar = {
            **{"orientation": "h", "x": 0, "xanchor": "left", "y": domains[1][0], "yanchor": "top"},
            **{"len": 0.9, "title": {"text": "contribution of a cell", "side": "top"}},
        }
        narrow(
            figure,
            below,
            height=sum(heights) + sum(gaps) + TOP + BOTTOM,
            annotations=stacked_annotations(figure, domains),
            coloraxis={"colorbar": bar},
            margin={"l": 12},
            meta={"captions": [1.0] * min(len(figure.layout.annotations), len(domains))},
            **axes,
        )


_Side = tuple[str, NamedPicture, np.ndarray, np.ndarray, "Sum | None"]


def _sides(why: Explanation | Evidence) -> list[_Side]:
    """The role, picture, heat, strongest regions [n, 4] and sum of both pictures."""
    named = why.pictures or tuple(NamedPicture("", Image.new("RGB", (4, 3), "white")) for _ in range(2))
    if isinstance(why, Evidence):
        total, image = why.sum(), why.strongest_image()
        voted = total.parts[total.parts["image_id"] == image]["image_region"].to_numpy(int)[:DRAWN]
        heat, boxes = why.image_heatmaps[image], why.image_regions[image][voted]
        return [
            ("Query", named[0], why.query_heatmap, _boxes(total), total),
            ("Image with the most votes", named[1], heat, boxes, None),
        ]
    return [
        (role, picture, heat, _boxes(total), total)
        for role, picture, heat, total in (
            ("Query", named[0], why.query_heatmap, why.sum("query")),
            ("Result", named[1], why.image_heatmap, why.sum("image")),
        )
    ]


def _boxes(total: Sum) -> np.ndarray:
    return total.parts[BOX].to_numpy(float)[total.strongest(DRAWN)]
