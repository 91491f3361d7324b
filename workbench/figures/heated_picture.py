"""A picture under its heat as a subplot of a figure, and the scale of the heat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.palette import PALETTE
from workbench.common.picture_bytes import data_uri, jpeg
from workbench.config.errors import WorkbenchError
from workbench.figures.heat_colours import heat_scale
from workbench.figures.pictures import CASING, outlines, paled
from workbench.figures.style import Figure, text

SIDE = 480  # pixels of a picture's longest side


def add_picture(
    figure: Figure, column: int, picture: NamedPicture, heat: np.ndarray, boxes: np.ndarray, row: int = 1
) -> None:
    """Add a pale grey picture, its heat and boxes [n, 4] with their numbers to a subplot.

    Axes are in percent of the picture; the heat has the figure's scale of colours.
    """
    place = {"row": row, "col": column}
    try:
        shown = picture.load(SIDE)
    except WorkbenchError as error:
        shown = Image.new("RGB", (400, 300), "white")
        figure.add_annotation(
            text=text(f"The picture cannot be read: {error}", 90),
            x=50,
            y=50,
            showarrow=False,
            **place,
        )
    figure.add_layout_image(
        source=data_uri(jpeg(paled(shown))),
        x=0,
        y=0,
        sizex=100,
        sizey=100,
        sizing="stretch",
        layer="below",
        **place,
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
        **place,
    )
    x, y = outlines(100 * boxes)
    for line in (CASING, {"color": PALETTE[3], "width": 2}):
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", **place)
    figure.add_scatter(
        x=100 * boxes[:, 0],
        y=100 * boxes[:, 1],
        mode="text",
        text=[f"<b>{number}</b>" for number in range(1, len(boxes) + 1)],
        textposition="bottom right",
        textfont={"color": PALETTE[3], "size": 13},
        hoverinfo="skip",
        **place,
    )
    axis = {"visible": False, "constrain": "domain", "constraintoward": "center"}
    figure.update_xaxes({**axis, "range": [0, 100]}, **place)
    across = figure.get_subplot(row, column).xaxis.plotly_name.replace("axis", "")
    anchor = {"scaleanchor": across, "scaleratio": shown.height / shown.width}
    figure.update_yaxes({**axis, **anchor, "range": [100, 0], "constraintoward": "top"}, **place)


def heat_axis(top: float, place: Mapping[str, Any]) -> dict[str, Any]:
    """The colours of heat from -``top`` to ``top``, whose scale is at a ``place`` (attributes of its bar)."""
    bar = {"thickness": 10, "tickformat": "+.2~g", "tickfont": {"size": 10}}
    return {"colorscale": heat_scale(signed=True), "cmin": -top, "cmax": top, "colorbar": {**bar, **place}}
