"""Precision over recall of the pipelines compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.panels.charts import BLUE, DASHES, GREY, OTHERS, VERMILLION, Chart, framed, plain

NAMED = 8  # curves with a colour, a dash and a name; the others are thin and grey
_RECALL = np.arange(101.0)


class Curves:
    """A chart of mean interpolated precision, with A and B drawn strongest."""

    def __init__(self) -> None:
        self.chart = Chart("recall, percent", "precision, percent", 256)
        self.chart.update_layout(xaxis_range=[0, 100], yaxis_range=[0, 103], showlegend=True)
        # Curves fall from the upper left to the lower right: the lower left is free.
        self.chart.update_layout(legend={"x": 0.01, "y": 0.01, "xanchor": "left", "yanchor": "bottom"})
        self.chart.update_layout(legend_bgcolor="rgba(0,0,0,0)", legend_itemclick=False)
        self.chart.add_scatter(
            mode="lines", line={"width": 1, "color": GREY}, hoverinfo="skip", showlegend=False
        )
        for _ in range(NAMED):
            self.chart.add_scatter(
                x=_RECALL,
                mode="lines",
                visible=False,
                hovertemplate="%{fullData.name}<br>recall %{x:.0f}, precision %{y:.1f}<extra></extra>",
            )
        self.widget = framed(self.chart)

    def show(
        self, curves: Mapping[str, NDArray[np.float64]], a: str, b: str, names: Mapping[str, str]
    ) -> None:
        """Draw the curves [101] of pipelines, the best first; ``names`` are what they are called here."""
        first = [p for p in (a, b) if p in curves]
        order = [*first, *(p for p in curves if p not in first)]
        styles = {a: (BLUE, "solid", 2.5), b: (VERMILLION, "dash", 2.5)}
        with self.chart.batch_update():
            rest = [np.append(100 * curves[p], np.nan) for p in order[NAMED:]]
            grey = self.chart.data[0]
            grey.x = np.tile(np.append(_RECALL, np.nan), len(rest))
            grey.y = np.concatenate([*rest, []])
            for number, trace in enumerate(self.chart.data[1:]):
                trace.visible = number < len(order)
                if number < len(order):
                    pipeline = order[number]
                    other = number - len(first)
                    look = (OTHERS[other % len(OTHERS)], DASHES[(other + 2) % len(DASHES)], 1.5)
                    colour, dash, width = styles.get(pipeline, look)
                    trace.y, trace.name = 100 * curves[pipeline], plain(names[pipeline])
                    trace.line = {"color": colour, "dash": dash, "width": width}
        self.chart.settle()
