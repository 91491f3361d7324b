"""The average precision of each query under A and under B, from the greatest loss to the greatest gain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from workbench.panels.charts import BLUE, GREY, VERMILLION, Chart, framed, plain


class Dumbbell:
    """A chart with a column for each query; a click picks one."""

    def __init__(self, pick: Callable[[str], None]) -> None:
        self.names: list[str] = []
        self._pick = pick
        self.chart = Chart("queries, by B − A", "AP, percent", 256)
        self.chart.update_layout(hovermode="closest", yaxis_range=[-4, 104], xaxis_showticklabels=False)
        self.chart.update_xaxes(showgrid=False)
        self.chart.add_scatter(mode="lines", line={"width": 2, "color": GREY}, hoverinfo="skip")
        for symbol, colour in (("circle-open", BLUE), ("diamond", VERMILLION)):
            self.chart.add_scatter(
                mode="markers",
                marker={"size": 8, "symbol": symbol, "color": colour, "line": {"width": 2, "color": colour}},
                hovertemplate="%{customdata}<extra></extra>",
            )
            self.chart.data[-1].on_click(self._clicked)
        self.widget = framed(self.chart)

    def show(self, aps: pd.DataFrame, current: str) -> None:
        """Draw ``aps``: query, a, b (fractions), in the order of the columns."""
        self.names = list(aps["query"])
        places = np.arange(len(aps), dtype=float)
        a, b = 100 * aps["a"].to_numpy(float), 100 * aps["b"].to_numpy(float)
        gaps = np.full(len(aps), np.nan)
        said = [
            f"{plain(name)}<br>A {x:.1f} · B {y:.1f} · B − A {y - x:+.1f}"
            for name, x, y in zip(self.names, a, b, strict=True)
        ]
        with self.chart.batch_update():
            lines, first, second = self.chart.data
            lines.x, lines.y = np.repeat(places, 3), np.stack([a, b, gaps], 1).ravel()
            for trace, values in ((first, a), (second, b)):
                trace.x, trace.y, trace.customdata = places, values, said
                trace.marker.size = 8 if len(aps) <= 100 else 5
            self.chart.layout.xaxis.range = [-0.7, max(len(aps), 1) - 0.3]
            self._mark(current)
        self.chart.settle()

    def mark(self, current: str) -> None:
        """Point at the query that is current."""
        with self.chart.batch_update():
            self._mark(current)
        self.chart.settle()

    def _mark(self, current: str) -> None:
        shapes = []
        if current in self.names:
            at = self.names.index(current)
            line = {"width": 1, "dash": "dot"}
            shapes = [{"type": "line", "x0": at, "x1": at, "y0": -4, "y1": 104, "line": line}]
            shapes[0]["layer"] = "below"
        self.chart.layout.shapes = shapes

    def _clicked(self, _trace: object, points: object, _state: object) -> None:
        places = getattr(points, "point_inds", [])
        if places and places[0] < len(self.names):
            self._pick(self.names[places[0]])
