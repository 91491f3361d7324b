"""Marks on a map: the query, and the names that match a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.common.palette import PALETTE
from workbench.figures.map_points import axes_of, marker_size
from workbench.figures.style import ADDS, WEBGL_FROM

# For each kind of mark: symbol, colour, how much larger than a point, width of the line, in pixels.
MARKS = {
    "matching": ("circle-open", PALETTE[3], 6, 2),
    "query": ("square-open", ADDS, 10, 3),
}


def mark_traces(frame: pd.DataFrame, marked: Mapping[str, Iterable[str]], **where: Any) -> list[Any]:
    """A trace for each kind of ``MARKS``, around the images of that kind; images not on the map are left out.

    The traces stand after those of the map, explain nothing on hovering and are not in the legend.
    ``where`` are axes or scene of the map.
    """
    axes = axes_of(frame)
    row_of = {image: row for row, image in enumerate(frame["image_id"])}
    traces = []
    for kind, (symbol, colour, larger, width) in MARKS.items():
        rows = [row_of[image] for image in marked.get(kind, ()) if image in row_of]
        if not rows:
            continue
        positions = {axis: frame[axis].to_numpy(np.float32)[rows] for axis in axes}
        flat = go.Scattergl if len(frame) > WEBGL_FROM else go.Scatter
        marker = {
            "symbol": symbol,
            "color": colour,
            "size": marker_size(frame) + larger,
            "line": {"width": width, "color": colour},
        }
        traces.append(
            (go.Scatter3d if len(axes) == 3 else flat)(
                mode="markers",
                name=kind,
                hoverinfo="skip",
                showlegend=False,
                marker=marker,
                **positions,
                **where,
            )
        )
    return traces
