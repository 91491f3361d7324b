"""A summary of videos: what it covers by the number of moments, and how similar each moment is to it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.collections.video.moment import clock
from workbench.common.even_selection import even_selection
from workbench.common.palette import NEUTRAL, PALETTE
from workbench.figures.style import DASHES, LEGEND_BELOW, SYMBOLS, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.summary import Summary

_METHODS = {  # column → its name
    "facility_location": "facility location",
    "uniform": "uniform in time",
    "k_means": "k-means",
    "bound": "no choice has more",
}
_TICKS = 12  # names of videos
_DRAWN = 3000  # moments in the line over time


def summary(result: Summary) -> Figure:
    """Above, the coverage of the first k moments in percent, beside other methods and the bound; below, the
    similarity of each moment to the most similar chosen one, with the chosen ones as points."""
    title = f"Summary of {text(result.video or result.collection, 44)}"
    if not len(result.table):
        return notice("There is no moment to choose.", title)
    figure = new_figure(
        title,
        subtitle(
            f"n = {len(result.nearest):,} moments, {len(result.moments)} chosen",
            f"coverage {100 * result.coverage:.1f} % of at most {100 * result.bound:.1f} %",
            text(result.pipeline, 50),
            collection=result.collection,
            pipelines=[result.pipeline],
        ),
        x="number of moments k",
        y="coverage, %",
        height=560,
        legend={**LEGEND_BELOW, "orientation": "h"},
        margin={"b": 96},
    )
    sizes = result.table["k"].to_numpy()
    for number, (column, name) in enumerate(_METHODS.items()):
        values = 100 * result.table[column].to_numpy()
        bound = column == "bound"
        figure.add_scatter(
            x=sizes,
            y=values,
            mode="lines" if bound else "lines+markers",
            name=name,
            line={"color": NEUTRAL if bound else PALETTE[number], "dash": "dot" if bound else DASHES[number]},
            marker={"symbol": SYMBOLS[number], "size": 7},
            ids=[f"{column} {size}" for size in sizes],
            hovertext=[f"{name}, k = {k}: {value:.1f} %" for k, value in zip(sizes, values, strict=True)],
            hoverinfo="text",
        )
    _add_similarities(figure, result)
    figure.update_layout(
        xaxis={
            "anchor": "y",
            "zeroline": False,
            "tickformat": "d",
            "range": [sizes[0] - 0.5, sizes[-1] + 0.5],
        },
        yaxis={"domain": [0.56, 1], "zeroline": False},
    )
    if sizes[-1] <= _TICKS:
        figure.update_layout(xaxis={"dtick": 1})
    return figure


def _add_similarities(figure: Figure, result: Summary) -> None:
    """The similarity of each moment to the summary, over time in one video, over the moments of several."""
    table, chosen = result.nearest, set(result.moments)
    names = table["moment"].tolist()
    seconds, values = table["seconds"].to_numpy(), table["similarity"].to_numpy()
    one = bool(result.video)
    x = seconds if one else np.arange(len(names)) + 0.5
    hover = [
        f"{text(video)} at {clock(time)}<br>similarity {value:.3f} to {text(nearest)}"
        for video, time, value, nearest in zip(table["video"], seconds, values, table["nearest"], strict=True)
    ]
    line = even_selection(len(names), _DRAWN)
    points = [number for number, name in enumerate(names) if name in chosen]
    looks: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (line, {"mode": "lines", "line": {"color": PALETTE[0], "width": 1.5}}, "similarity to the summary"),
        (points, {"mode": "markers", "marker": {"color": PALETTE[1], "size": 9}}, "chosen moments"),
    )
    for rows, look, name in looks:
        figure.add_scatter(
            x=x[rows],
            y=values[rows],
            name=name,
            xaxis="x2",
            yaxis="y2",
            ids=[names[row] for row in rows],
            hovertext=[hover[row] for row in rows],
            hoverinfo="text",
            **look,
        )
    low = float(min(values.min(initial=1.0), 0.9))
    axis: dict[str, Any] = {"anchor": "y2", "zeroline": False}
    axis |= {"title": {"text": "time, s" if one else "moments, video by video"}}
    axis["range"] = [0, float(result.cues[-1].end if one else len(names))]
    if not one:
        starts = [(video, len(list(rows))) for video, rows in groupby(table["video"])]
        edges = np.cumsum([0, *(count for _, count in starts)])
        shown = even_selection(len(starts), _TICKS)
        axis |= {
            "tickvals": [float(edges[number]) for number in shown],
            "tickangle": 20,
            "ticklabelposition": "outside right",
        }
        axis |= {"ticktext": [text(starts[number][0].rpartition("/")[2], 16) for number in shown]}
        axis |= {"title": {"text": f"moments of {len(starts):,} videos, one after another"}}
    figure.update_layout(
        xaxis2=axis,
        yaxis2={
            "domain": [0, 0.36],
            "anchor": "x2",
            "title": {"text": "similarity"},
            "range": [max(0.0, low - 0.05), 1.02],
        },
    )
