"""The correlations between dimensions of a descriptor, before and after whitening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from workbench.figures.style import ADDS, SUBTRACTS, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.cooccurrence import Cooccurrence

_TICKS = 8  # of an axis
_SIZE = 480  # pixels


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
    figure.update_annotations(font_size=12)
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
        figure.update_xaxes(axis, row=1, col=column)
        anchor = f"x{column if column > 1 else ''}"
        figure.update_yaxes(axis, autorange="reversed", scaleanchor=anchor, row=1, col=column)
    figure.update_layout(
        coloraxis={
            "colorscale": [[0, SUBTRACTS], [0.5, "rgba(128,128,128,0)"], [1, ADDS]],
            "cmin": -1,
            "cmax": 1,
            "colorbar": {"title": {"text": "r"}, "thickness": 12},
        }
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
