"""Two pictures under their heat, and the sums of the score over the regions of both."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common import colormaps
from workbench.config.errors import WorkbenchError
from workbench.explain.sums import BOX, Sum
from workbench.figures.contributions import ROW, waterfall
from workbench.figures.style import PALETTE, Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.one import Evidence
    from workbench.explain.score import Explanation

SIDE = 480  # pixels of a picture's longest side
PICTURES = 320  # pixels of the row of pictures
DRAWN = 3  # regions that are drawn
_STEPS = 33  # colours of the scale


def explanation(why: Explanation | Evidence) -> Figure:
    """Both pictures under their heat, on one scale, above the sums over the regions of each.

    Of ONE: the query and the image whose regions add the most, above the sum of the votes.
    """
    sides = _sides(why)
    totals = [total for *_, total in sides if total is not None]
    drawn = [waterfall(total) for total in totals]
    rows = max(part.rows for part in drawn)
    figure = new_figure(
        f"Score {why.score:.3f}" + (f" of {text(why.subject)}" if why.subject else ""),
        subtitle(
            text(why.pipeline),
            f"n = {' and '.join(f'{len(total.parts):,} {total.unit}' for total in totals)}",
            collection=why.collection,
            pipelines=[why.pipeline],
        ),
        height=190 + PICTURES + ROW * rows,
        showlegend=False,
    )
    figure.set_subplots(
        rows=2,
        cols=2,
        row_heights=[PICTURES, ROW * rows + 20],
        vertical_spacing=70 / (PICTURES + ROW * rows + 120),
        horizontal_spacing=0.16,
        subplot_titles=[f"{role}: {text(picture.name, 44)}" for role, picture, *_ in sides],
        specs=[[{}, {}], [{}, {}] if len(drawn) > 1 else [{"colspan": 2}, None]],
    )
    top = max(float(np.abs(heat).max(initial=0)) for _, _, heat, _, _ in sides) or 1.0
    for column, (_, picture, heat, boxes, _) in enumerate(sides, start=1):
        _add_picture(figure, column, picture, heat, boxes)
    for column, part in enumerate(drawn, start=1):
        figure.add_traces(part.traces, rows=2, cols=column)
        figure.update_xaxes(part.x, row=2, col=column)
        figure.update_yaxes(part.y, row=2, col=column)
    length = PICTURES / (figure.layout.height - 112)
    figure.update_layout(
        coloraxis={
            "colorscale": signed_scale(),
            "cmin": -top,
            "cmax": top,
            "colorbar": {
                "title": {"text": "contribution<br>of a cell", "font": {"size": 11}},
                "len": length,
                "y": 1 - length / 2,
                "thickness": 10,
                "tickformat": "+.2~g",
                "tickfont": {"size": 10},
            },
        }
    )
    return figure


def signed_scale() -> list[list[object]]:
    """The scale of signed values, as in ``common.colormaps``: its middle is transparent."""
    table = colormaps.table(signed=True)
    places = np.linspace(-1, 1, _STEPS)
    colours = table[np.round(128 + 127 * places).astype(int)]
    return [
        [(place + 1) / 2, f"rgba({r},{g},{b},{a / 255:.3f})"]
        for place, (r, g, b, a) in zip(places.tolist(), colours.tolist(), strict=True)
    ]


_Side = tuple[str, NamedPicture, np.ndarray, np.ndarray, "Sum | None"]


def _sides(why: Explanation | Evidence) -> list[_Side]:
    """The role, picture, heat, strongest regions [n, 4] and sum of both pictures."""
    named = why.pictures or tuple(NamedPicture("", Image.new("RGB", (4, 3), "white")) for _ in range(2))
    if hasattr(why, "image_heatmaps"):
        total, image = why.sum(), why.strongest_image()
        voted = total.parts[total.parts["image_id"] == image]["image_region"].to_numpy(int)[:DRAWN]
        return [
            ("Query", named[0], why.query_heatmap, _strongest(total), total),
            (
                "Image with the most votes",
                named[1],
                why.image_heatmaps[image],
                why.image_regions[image][voted],
                None,
            ),
        ]
    return [
        (role, picture, heat, _strongest(total), total)
        for role, picture, heat, total in (
            ("Query", named[0], why.query_heatmap, why.sum("query")),
            ("Result", named[1], why.image_heatmap, why.sum("image")),
        )
    ]


def _strongest(total: Sum) -> np.ndarray:
    """The boxes of the parts with the largest contributions by absolute value, [n, 4]."""
    order = np.argsort(-total.parts["contribution"].abs().to_numpy(), kind="stable")[:DRAWN]
    return total.parts[BOX].to_numpy(float)[order]


def _add_picture(
    figure: Figure, column: int, picture: NamedPicture, heat: np.ndarray, boxes: np.ndarray
) -> None:
    """Add a pale grey picture, its heat and its strongest regions; axes are in percent of the picture."""
    try:
        shown = picture.load(SIDE)
    except WorkbenchError as error:
        shown = Image.new("RGB", (400, 300), "white")
        figure.add_annotation(
            text=text(f"The picture cannot be read: {error}", 90),
            x=50,
            y=50,
            showarrow=False,
            row=1,
            col=column,
        )
    figure.add_layout_image(
        source=_jpeg(shown),
        x=0,
        y=0,
        sizex=100,
        sizey=100,
        sizing="stretch",
        layer="below",
        row=1,
        col=column,
    )
    height, width = heat.shape
    figure.add_trace(
        go.Heatmap(
            z=heat,
            x0=50 / width,
            dx=100 / width,
            y0=50 / height,
            dy=100 / height,
            zsmooth="best",
            coloraxis="coloraxis",
            hovertemplate="%{x:.0f} % across, %{y:.0f} % down<br>%{z:+.5f}<extra></extra>",
        ),
        row=1,
        col=column,
    )
    for number, (x0, y0, x1, y1) in enumerate(100 * boxes, start=1):
        figure.add_scatter(
            x=[x0, x1, x1, x0, x0],
            y=[y0, y0, y1, y1, y0],
            mode="lines+text",
            text=[f"<b>{number}</b>"],
            textposition="bottom right",
            textfont={"color": PALETTE[3], "size": 13},
            line={"color": PALETTE[3], "width": 2},
            hoverinfo="skip",
            row=1,
            col=column,
        )
    axis = {"visible": False, "constrain": "domain"}
    figure.update_xaxes({**axis, "range": [0, 100]}, row=1, col=column)
    anchor = {"scaleanchor": f"x{column if column > 1 else ''}", "scaleratio": shown.height / shown.width}
    figure.update_yaxes({**axis, **anchor, "range": [100, 0]}, row=1, col=column)


def _jpeg(picture: Image.Image) -> str:
    """A pale grey JPEG, so that only the heat has colour, as a data address."""
    pale = Image.blend(picture.convert("L"), Image.new("L", picture.size, 255), 0.25)
    data = io.BytesIO()
    pale.save(data, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
