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


def mark_traces(
    frame: pd.DataFrame, marked: Mapping[str, Iterable[str]], rows: pd.Index | None = None, **where: Any
) -> list[Any]:
    """A trace for each kind of ``MARKS``, around the images of that kind; images not on the map are left out.

    The traces stand after those of the map, explain nothing on hovering and are not in the legend.
    ``rows`` is the index of the frame's ``image_id``, which is made if it is not given. ``where`` are axes or
    scene of the map.
    """
    axes = axes_of(frame)
    index = pd.Index(frame["image_id"]) if rows is None else rows
    traces = []
    for kind, (symbol, colour, larger, width) in MARKS.items():
        places = index.get_indexer(pd.Index(list(marked.get(kind, ()))))
        if not (places >= 0).any():
            continue
        positions = {axis: frame[axis].to_numpy()[places[places >= 0]].astype(np.float32) for axis in axes}
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
