"""A picture under the response of a layer, with the regions of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from workbench.figures.heat_colours import heat_scale
from workbench.figures.pictures import Frame, picture_figure
from workbench.figures.regions import add_regions
from workbench.figures.style import Figure, subtitle, text

if TYPE_CHECKING:
    from workbench.explain.activations import Activations

_SCALE = 70  # pixels of the scale
_TITLES = {  # kind → title, quantity
    "norm": ("Norm of all channels", "norm of the activations"),
    "max": ("Channels with their maximum in the cell", "channels"),
    "mean": ("Mean of all channels", "mean activation"),
    "cells": ("Weights of the cells", "weight"),
}


def activations(activations: Activations, kind: str | int = "norm", regions: bool = True) -> Figure:
    """The heat of a ``kind`` over the picture, with its scale: norm, max, mean, cells, or a channel's number.

    ``cells`` are the weights that the pipeline gives to cells. ``regions`` are drawn as outlines with their
    weight as opacity; the levels of R-MAC are entries of the legend. Raises WorkbenchError for another kind.
    """
    heat, title, quantity = heat_of(activations, kind)
    channels, height, width = activations.maps.shape
    figure, (frame,) = picture_figure(
        [activations.picture],
        [(width, height)],
        title,
        subtitle(
            text(activations.pipeline),
            f"{width} × {height} cells, {channels:,} channels",
            f"n = {len(activations.regions)} regions" if regions else "",
            collection=activations.collection,
            pipelines=[activations.pipeline],
        ),
        pale=True,
    )
    figure.add_trace(heatmap(heat, frame, quantity))
    figure.update_layout(height=figure.layout.height + _SCALE, margin={"b": _SCALE + 40})
    figure.layout.meta["pictures"]["around"] += _SCALE
    if regions:
        add_regions(figure, activations, frame)
    return figure


def heat_of(activations: Activations, kind: str | int) -> tuple[np.ndarray, str, str]:
    """The heat [H, W] of a kind, its title, and the quantity of its scale."""
    if not isinstance(kind, str):
        return activations.heat("channel", int(kind)), f"Channel {kind}", "activation"
    heat = activations.cells if kind == "cells" else activations.heat(kind)
    return heat, *_TITLES[kind]


def heatmap(heat: np.ndarray, frame: Frame, quantity: str, **more: Any) -> go.Heatmap:
    """Heat [H, W] over the picture in a frame, transparent where it is small, with its scale."""
    rows, columns = heat.shape
    signed = bool(heat.min() < 0)
    top = float(np.abs(heat).max()) or 1.0
    return go.Heatmap(
        z=heat,
        x=frame.x0 + (np.arange(columns) + 0.5) * frame.width / columns,
        y=frame.y0 + (np.arange(rows) + 0.5) * frame.height / rows,
        zmin=-top if signed else 0.0,
        zmax=top,
        zsmooth="best",
        colorscale=heat_scale(signed),
        colorbar={
            **{"title": {"text": quantity, "side": "top"}, "thickness": 12, "orientation": "h"},
            **{"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "ypad": 32},
            **{"lenmode": "pixels", "len": 280, "outlinewidth": 0},
        },
        name="heat",
        showlegend=True,
        hoverinfo="z",
        zhoverformat=".3g",
        **more,
    )
