"""Re-rankers compared: the difference in mAP, and the share of each class of pairs that is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from workbench.analysis.pair_classes import CLASSES
from workbench.common.palette import PALETTE
from workbench.figures.narrow_layout import narrow
from workbench.figures.style import Figure, error_bars, new_figure, notice, subtitle, text, translucent
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.analysis.reranking import Reranking

TITLE = "Re-rankers on the same first results"
_ROW = 24  # pixels of a method
_STACKED = 760  # pixels of width under which the plots are below one another
_NAME = 28  # characters of a method on the axis


def reranking(result: Reranking) -> Figure:
    """Left: the difference in mAP from no re-ranking, with 95 % intervals over the queries. Right: the share
    of the pairs of each class that each method verifies, in percent. Points are named by method."""
    methods = result.methods[1:]
    if not methods:
        return notice("No re-ranker is compared.", TITLE)
    places = list(range(len(methods)))
    names = [text(method.name, _NAME) for method in methods]
    about = subtitle(
        text(result.collection),
        f"{query_count(len(result.queries))}, 95 % intervals; {len(result.pairs):,} pairs with a positive",
        text(result.pipeline, 80),
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    height = 200 + _ROW * max(4, len(methods))
    figure = new_figure(TITLE, about, x="mAP, difference from none, points", height=height, showlegend=False)
    ticks = {"tickvals": places, "ticktext": names, "zeroline": False, "range": [len(methods) - 0.4, -0.6]}
    figure.update_layout(
        xaxis={"domain": [0, 0.4], "zeroline": True},
        yaxis=ticks,
        xaxis2={"domain": [0.46, 1], "anchor": "y2", "showgrid": False, "zeroline": False},
        yaxis2={**ticks, "anchor": "x2", "showticklabels": False, "ticks": "", "showgrid": False},
        margin={"t": 84, "l": 16},
        hovermode="closest",
    )
    figure.add_trace(_gains(result, places))
    counts = {"all": len(result.pairs)} | {name: int(result.pairs[name].sum()) for name in CLASSES}
    _add_shares(figure, result, places, counts)
    narrow(
        figure,
        _STACKED,
        height=2 * height - 60,
        xaxis={"domain": [0, 1]},
        yaxis={"domain": [0.58, 1]},
        xaxis2={
            "domain": [0, 1],
            "tickangle": -90,
            "ticktext": [name.replace(" ", "<br>") for name in counts],
        },
        yaxis2={"domain": [0.0, 0.44], "showticklabels": True},
    )
    return figure


def _gains(result: Reranking, places: list[int]) -> go.Scatter:
    """The difference of each method in mAP."""
    methods = result.methods[1:]
    differences = [result.difference(method.name) for method in methods]
    mean, low, high = (
        np.array([100 * getattr(difference, end) for difference in differences])
        for end in ("mean", "low", "high")
    )
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    return go.Scatter(
        x=mean,
        y=places,
        mode="markers",
        marker={"color": PALETTE[0], "size": 9},
        error_x=error_bars(mean, low, high),
        ids=[method.name for method in methods],
        hovertext=[
            f"{text(method.name)}<br>{value:+.1f} points, {start:+.1f} to {end:+.1f}"
            f"<br>{method.milliseconds:,.1f} ms a query"
            for method, value, start, end in zip(methods, mean, low, high, strict=True)
        ],
        hoverinfo="text",
    )


def _add_shares(figure: Figure, result: Reranking, places: list[int], counts: dict[str, int]) -> None:
    """The share of the pairs of each class that the verifying methods verify."""
    classes = ("all", *CLASSES)
    place_of = {method.name: place for place, method in zip(places, result.methods[1:], strict=True)}
    grid = np.full((len(places), len(classes)), np.nan)
    cells = list[tuple[int, int, str, str]]()
    for row in result.classes.to_dict("records"):
        if row["pairs"]:
            place, at, share = place_of[row["method"]], classes.index(row["class"]), 100 * row["share"]
            grid[place, at] = share
            counted = f"{row['verified']:,} of {row['pairs']:,} pairs"
            ends = f"95 % interval {100 * row['low']:.0f} to {100 * row['high']:.0f} %"
            about = f"{text(row['method'])}<br>{row['class']}: {share:.1f} %<br>{counted}, {ends}"
            cells.append((at, place, f"{share:.0f}", about))
    figure.add_trace(
        go.Heatmap(
            x=list(range(len(classes))),
            y=places,
            z=grid,
            zmin=0,
            zmax=100,
            hoverinfo="skip",
            colorscale=[[0, translucent(PALETTE[0], 0.04)], [1, translucent(PALETTE[0], 0.75)]],
            showscale=False,
            xgap=1,
            ygap=1,
            xaxis="x2",
            yaxis="y2",
        )
    )
    columns, rows, words, hover = zip(*cells, strict=True) if cells else ((), (), (), ())
    figure.add_trace(  # the numbers apart, in the colour of the page's text
        go.Scatter(
            x=columns,
            y=rows,
            mode="text",
            text=words,
            textfont={"size": 11},
            hovertext=hover,
            hoverinfo="text",
            xaxis="x2",
            yaxis="y2",
        )
    )
    labels = [f"{name.replace(' ', '<br>')}<br>n = {counts[name]:,}" for name in classes]
    figure.update_layout(
        xaxis2={
            "title": {"text": "pairs verified, % of each class"},
            "tickvals": list(range(len(classes))),
            "ticktext": labels,
            "tickangle": 0,
            "range": [-0.5, len(classes) - 0.5],
        }
    )
