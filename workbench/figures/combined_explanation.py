"""The score of a query of parts: the image under the heat of each part, above the sum of what they add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.rounding import signed
from workbench.figures.contributions import PLACE, ROW, Waterfall, spread, waterfall
from workbench.figures.heated_picture import add_picture, heat_axis
from workbench.figures.narrow_layout import SCALE, captions, narrow, scale_below, stacked, stacked_annotations
from workbench.figures.style import Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.combined import CombinedExplanation, ExplainedPart

COLUMNS = 3  # pictures beside one another
PICTURES = 6  # most pictures: all parts together, and the first ones
HEIGHT, GAP, TOP, BOTTOM = (
    250,
    44,
    96,
    SCALE + 16,
)  # pixels of a row of pictures, between rows, and around them
NAMES = 0.28  # of the width, for the names of bars; less than the first of three pictures
# Pixels of a chart with all plots below one another, of a picture in it, and the share of the names of bars.
STACKED = ((760, 300, 0.4), (440, 230, 0.46))
CAPTION = 32  # pixels above a plot, for its name

_Shown = tuple[str, np.ndarray, np.ndarray]  # the name of a picture, its heat, and boxes [n, 4]


def combined_explanation(why: CombinedExplanation) -> Figure:
    """The image under the heat of all parts that count, and of each part, on one scale, above the sum of what
    the parts and their regions or concepts add."""
    shown = _shown(why)
    columns = 2 if len(shown) == 4 else min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    total = waterfall(why.sum())
    heights = [*[HEIGHT] * rows, ROW * total.rows]
    area = sum(heights) + GAP * rows
    figure = new_figure(
        f"Score {why.score:.3f}" + (f" of {text(why.subject)}" if why.subject else ""),
        text(why.text, 90)
        + "<br>"
        + subtitle(
            text(why.pipeline, 60),
            f"n = {len(why.parts)} part{'s' * (len(why.parts) != 1)}",
            _left_out(why, len(shown)),
            collection=why.collection,
            pipelines=[why.pipeline],
        ),
        height=area + TOP + BOTTOM,
        showlegend=False,
        margin={"t": TOP, "b": BOTTOM, "l": 12, "r": PLACE[0] + 2 * PLACE[2]},
    )
    figure.set_subplots(
        rows=rows + 1,
        cols=columns,
        row_heights=heights,
        vertical_spacing=GAP / area,
        horizontal_spacing=0.06,
        subplot_titles=[name for name, *_ in shown],
        specs=[
            *(
                [{} if row * columns + n < len(shown) else None for n in range(columns)]
                for row in range(rows)
            ),
            [{"colspan": columns}, *[None] * (columns - 1)],
        ],
    )
    figure.update_annotations(font_size=12)
    picture = why.picture or NamedPicture("", Image.new("RGB", (4, 3), "white"))
    for n, (_, heat, boxes) in enumerate(shown):
        add_picture(figure, n % columns + 1, picture, heat, boxes, n // columns + 1)
    figure.add_traces(total.traces, rows=rows + 1, cols=1)
    # The names of the bars have a share of the width of their own, so that the pictures have the whole width.
    figure.update_xaxes({**total.x, "domain": [NAMES, 1]}, row=rows + 1, col=1)
    figure.update_yaxes(total.y, row=rows + 1, col=1)
    top = max(float(np.abs(heat).max(initial=0)) for _, heat, _ in shown) or 1.0
    figure.update_layout(coloraxis=heat_axis(top, _scale(area)))
    _stack(figure, len(shown), total, 1 / columns)
    return figure


def _shown(why: CombinedExplanation) -> list[_Shown]:
    """The pictures: all parts that count together, if there are several, and the first parts."""
    counting = [part for part in why.parts if part.counts]
    pictures: list[_Shown] = []
    if len(counting) > 1:
        boxes = [part.box for part in why.parts if part.box is not None]
        name = f"All: {signed(why.score, 3)}"
        pictures.append((name, why.image_heatmap, np.array(boxes, float).reshape(-1, 4)))
    parts = list(why.parts)
    if len(parts) > PICTURES - len(pictures):  # those that count go first
        parts.sort(key=lambda part: not part.counts)
    pictures += [_picture(part) for part in parts[: PICTURES - len(pictures)]]
    return pictures


def _picture(part: ExplainedPart) -> _Shown:
    boxes = np.array([] if part.box is None else [part.box], float).reshape(-1, 4)
    effect = signed(part.value, 3) if part.counts else f"{signed(part.value, 3)}, not decisive"
    return f"{text(part.leaf, 30)}: {effect}", part.heatmap, boxes


def _left_out(why: CombinedExplanation, pictures: int) -> str:
    drawn = pictures - (sum(part.counts for part in why.parts) > 1)
    return f"heat of {drawn} of them" if drawn < len(why.parts) else ""


def _scale(area: float) -> dict[str, Any]:
    """The scale of heat, below the title of the bars' axis. It lies in narrow charts and in others."""
    place = scale_below(area)
    title = {**place["title"], "text": "contribution of a cell"}
    return {**place, "title": title, "y": -60 / area, "len": 0.5}


def _stack(figure: Figure, pictures: int, total: Waterfall, share: float) -> None:
    """Name the layout of a narrow chart: the pictures and the sum below one another."""
    captions(figure, [share] * pictures)
    for below, side, names in STACKED:
        heights = [*[side] * pictures, ROW * total.rows]
        gaps = [CAPTION] * pictures
        domains = stacked(heights, gaps)
        axes: dict[str, Any] = {}
        for number, domain in enumerate(domains, start=1):
            name = "" if number == 1 else str(number)
            picture = number <= pictures
            axes[f"yaxis{name}"] = {"domain": domain}
            axes[f"xaxis{name}"] = {
                "domain": [0, 1] if picture else [names, 1],
                "constraintoward": "left",
                **({} if picture else {"range": spread(total, 0.5)}),
            }
        narrow(
            figure,
            below,
            height=sum(heights) + sum(gaps) + TOP + BOTTOM,
            annotations=stacked_annotations(figure, domains),
            coloraxis={"colorbar": _scale(sum(heights) + sum(gaps))},
            meta={"captions": [1.0] * min(len(figure.layout.annotations), len(domains))},
            **axes,
        )
