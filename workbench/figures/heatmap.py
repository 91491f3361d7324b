"""A measure over two parameters as a heatmap with its values in the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workbench.figures.measures import Measure
from workbench.figures.parameter_axis import ParameterAxis
from workbench.figures.style import Figure, text

if TYPE_CHECKING:
    from workbench.analysis.combinations import Value
    from workbench.figures.sweep import Point

BEST = "★ "  # before the best value
WRITTEN = 400  # cells with their value in them, at most; of more, the best has it


def add_heatmap(
    figure: Figure,
    across: ParameterAxis,
    up: ParameterAxis,
    cells: Mapping[tuple[Value, Value], Point],
    measure: Measure,
) -> None:
    """Add the cells of two parameters; a combination without a value is an empty cell."""
    x, y = across.spread(), up.spread()
    best = (max if measure.more else min)(point.value for point in cells.values())
    digits = 1 if measure.unit == "%" else 2 if measure.unit else 0
    z = np.full((len(y.places), len(x.places)), np.nan)
    written = np.full(z.shape, "", object)
    for (a, b), point in cells.items():
        row, column = int(y.places[b]), int(x.places[a])
        z[row, column] = point.value
        if len(cells) <= WRITTEN or point.value == best:
            written[row, column] = (BEST if point.value == best else "") + f"{point.value:,.{digits}f}"
    figure.add_heatmap(
        z=z,
        text=written,
        texttemplate="%{text}",
        xgap=1,
        ygap=1,
        hoverinfo="skip",
        hoverongaps=False,
        colorbar={"title": {"text": measure.axis, "side": "right"}, "outlinewidth": 0, "thickness": 12},
        colorscale="Viridis",
        reversescale=not measure.more,
    )
    # Points without a mark, above the cells: they have ids, and can be reached by keyboard.
    figure.add_scatter(
        x=[x.places[a] for a, _ in cells],
        y=[y.places[b] for _, b in cells],
        mode="markers",
        marker={"size": 24, "opacity": 0, "symbol": "square"},
        ids=[point.pipeline for point in cells.values()],
        hovertext=[
            f"{text(point.pipeline, 90)}<br>{measure.title} {measure.write(point.value)}"
            for point in cells.values()
        ],
        hoverinfo="text",
        showlegend=False,
    )
    figure.update_xaxes(x.layout() | {"showgrid": False, "zeroline": False})
    figure.update_yaxes(y.layout() | {"showgrid": False, "zeroline": False})
    figure.update_layout(height=max(320, 180 + 34 * len(y.places)), hovermode="closest", hoverdistance=60)
