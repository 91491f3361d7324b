"""The correlations between dimensions of a descriptor, before and after whitening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from workbench.figures.narrow_layout import SCALE, captions, narrow, scale_below, stacked
from workbench.figures.style import ADDS, SUBTRACTS, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.cooccurrence import Cooccurrence

_TICKS = 8  # of an axis
_SIZE = 480  # pixels
# Pixels of a chart whose matrices are below one another, and of a matrix in it.
_STACKED = ((680, 420), (480, 340), (380, 250))
_TOP, _GAP = 104, 80  # pixels of a stack: above and between its matrices


def cooccurrence(result: Cooccurrence) -> Figure:
    """Two matrices on one scale from −1 to 1: the dimensions that correlate most, and the first directions.

    The order of dimensions before whitening puts correlated ones side by side; their numbers are ticks.
    """
    title = "Correlations of dimensions before and after whitening"
    if not len(result.before) or not len(result.after):
        return notice("There is no dimension to correlate.", title)
    figure = new_figure(title, _subtitle(result), height=_SIZE, margin={"t": 104}).set_subplots(
        rows=1,
        cols=2,
        horizontal_spacing=0.12,
        subplot_titles=[
            f"before: mean r² {result.shared[0]:.4f} of {len(result.spectrum[0]):,} dimensions",
            f"after: mean r² {result.shared[1]:.4f} of {len(result.spectrum[1]):,} directions",
        ],
    )
    figure.update_annotations(font_size=12, xanchor="left")
    for title, axis in zip(
        figure.layout.annotations, (figure.layout.xaxis, figure.layout.xaxis2), strict=True
    ):
        title.x = axis.domain[0]
    names = result.dimensions, np.arange(len(result.after))
    matrices = zip((result.before, result.after), names, ("dimension", "direction"), strict=True)
    for column, (matrix, numbers, kind) in enumerate(matrices, start=1):
        texts = [
            [f"{kind} {first} and {second}: {r:+.3f}" for second, r in zip(numbers, row, strict=True)]
            for first, row in zip(numbers, matrix, strict=True)
        ]
        heat = go.Heatmap(z=matrix, coloraxis="coloraxis", hovertext=texts, hoverinfo="text", name=kind)
        figure.add_trace(heat, row=1, col=column)
        step = max(1, -(-len(numbers) // _TICKS))
        axis = {
            "tickvals": list(range(0, len(numbers), step)),
            "ticktext": [str(number) for number in numbers[::step]],
            "title": {"text": f"number of the {kind}", "font": {"size": 12}},
            "showgrid": False,
            "zeroline": False,
            "constrain": "domain",
        }
        figure.update_xaxes(axis, constraintoward="left", row=1, col=column)
        anchor = f"x{column if column > 1 else ''}"
        figure.update_yaxes(
            axis,
            autorange="reversed",
            scaleanchor=anchor,
            constraintoward="top",
            row=1,
            col=column,
        )
    figure.update_layout(
        coloraxis={
            "colorscale": [[0, SUBTRACTS], [0.5, "rgba(128,128,128,0)"], [1, ADDS]],
            "cmin": -1,
            "cmax": 1,
            "colorbar": {"title": {"text": "r"}, "thickness": 12},
        }
    )
    captions(figure, [0.45, 0.45])
    for below, side in _STACKED:
        domains = stacked([side, side], [_GAP])
        narrow(
            figure,
            below,
            height=2 * side + _GAP + _TOP + SCALE,
            margin={"b": SCALE},
            xaxis={"domain": [0, 1]},
            xaxis2={"domain": [0, 1]},
            yaxis={"domain": domains[0]},
            yaxis2={"domain": domains[1]},
            annotations=[
                {**title.to_plotly_json(), "x": 0, "xanchor": "left", "y": top}
                for title, (_, top) in zip(figure.layout.annotations, domains, strict=True)
            ],
            coloraxis={"colorbar": scale_below(2 * side + _GAP)},
            meta={"captions": [1, 1]},
        )
    return figure


def _subtitle(result: Cooccurrence) -> str:
    before, after = (len(values) for values in result.spectrum)
    return subtitle(
        text(result.pipeline),
        f"n = {result.vectors:,} vectors, {before:,} dimensions whitened to {after:,}",
        f"{len(result.before)} × {len(result.before)} shown" if len(result.before) < before else "",
        collection=result.collection,
        pipelines=[result.pipeline],
    )
