"""The AP of each query: under two pipelines in order of their difference, or under a single pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.collections.protocols import PROTOCOLS
from workbench.common.even_selection import even_selection
from workbench.common.palette import NEUTRAL, PALETTE
from workbench.evaluation.intervals import mean_interval
from workbench.figures.pipeline_labels import distinct_labels
from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import collection_part, query_count

if TYPE_CHECKING:
    from workbench.evaluation.comparison import Comparison

MOST = 200  # queries that are distinguishable in a figure
EXTREMES = 10  # of more queries, those at either end that are always drawn
HEIGHT = 440  # pixels
NAMED = 30  # queries whose names fit under the axis


def ap_differences(comparison: Comparison, a: str | int = 0, b: str | int = -1, setting: str = "") -> Figure:
    """The AP of each query under A and under B in percent, a dumbbell a query, by their difference.

    ``a`` and ``b`` are pipelines of the comparison or their positions. Points are named by query. Of more
    than 200 queries the extremes and an even selection are drawn. If the comparison has a single pipeline,
    its AP of each query is drawn, from the lowest to the highest.
    """
    title = "AP of each query under A and B"
    if not comparison.evaluations:
        return notice("There is no pipeline to draw.", title)
    if len(comparison.evaluations) == 1:
        return _of_single(comparison, setting)
    names = comparison.name(a), comparison.name(b)
    pairs = comparison.aps(setting)[list(dict.fromkeys(names))].dropna()
    if pairs.empty:
        return notice("No query has an AP under both pipelines.", title)
    under_a, under_b = 100 * pairs[names[0]].to_numpy(), 100 * pairs[names[1]].to_numpy()
    gains = under_b - under_a
    drawn = np.argsort(gains, kind="stable")[selection(len(gains))]
    mean = f"{gains.mean():+.1f} points ({_interval(gains)})".replace("-", "−")
    first = comparison.evaluations[0]
    figure = new_figure(
        f"AP of each query: B − A = {mean}",
        subtitle(
            collection_part(first.collection, PROTOCOLS[first.protocol].setting(setting)),
            f"{query_count(len(gains))}: B better on {(gains > 0).sum():,}, worse on {(gains < 0).sum():,}",
            _drawn_of(len(drawn), len(gains)),
            collection=first.collection,
            pipelines=names,
        ),
        x="queries, in order of B − A",
        y="AP, %",
        height=HEIGHT + 20 * (len(drawn) <= NAMED),
        legend={**LEGEND_BELOW, "traceorder": "reversed"},
        hovermode="x",
        hoverdistance=-1,  # the whole column of a query
    )
    places = np.arange(len(drawn))
    queries = [str(query) for query in pairs.index[drawn]]
    x_of_stems = np.repeat(places.astype(float), 3)
    y_of_stems = np.stack([under_a[drawn], under_b[drawn], np.full(len(drawn), np.nan)], axis=1).ravel()
    figure.add_scatter(
        x=x_of_stems,
        y=y_of_stems,
        mode="lines",
        line={"color": NEUTRAL, "width": 1.5},
        opacity=0.6,
        hoverinfo="skip",
        showlegend=False,
    )
    under = {"B": under_b[drawn], "A": under_a[drawn]}  # open circles lie on filled diamonds
    hover = [
        f"{text(query)}<br>A {before:.1f} %, B {after:.1f} %, B − A {after - before:+.1f}"
        for query, before, after in zip(queries, under["A"], under["B"], strict=True)
    ]
    labels = dict(zip("AB", distinct_labels(names), strict=True))
    looks = {"A": ("circle-open", PALETTE[0]), "B": ("diamond", PALETTE[1])}
    for side, values in under.items():
        symbol, color = looks[side]
        figure.add_scatter(
            x=places,
            y=values,
            mode="lines+markers",  # the arrow keys walk along a line, from query to query
            line={"width": 0},
            name=f"{side}: {labels[side]}",
            marker={"symbol": symbol, "color": color, "size": 8 if len(drawn) <= 100 else 6},
            ids=queries,
            hovertext=hover,
            hoverinfo="text" if side == "B" else "none",
        )
    _set_axes(figure, queries)
    return figure


def _of_single(comparison: Comparison, setting: str) -> Figure:
    """The AP of each query under the only pipeline of a comparison."""
    (evaluation,) = comparison.evaluations
    aps = 100 * comparison.aps(setting)[evaluation.pipeline].dropna()
    if aps.empty:
        return notice("No query has a positive, so there is no AP.", "AP of each query")
    values = aps.to_numpy()
    drawn = np.argsort(values, kind="stable")[selection(len(values))]
    figure = new_figure(
        f"AP of each query: mean {values.mean():.1f} % ({_interval(values)})",
        subtitle(
            f"{text(evaluation.collection)}, {PROTOCOLS[evaluation.protocol].setting(setting)}".rstrip(", "),
            query_count(len(values)),
            text(evaluation.pipeline),
            _drawn_of(len(drawn), len(values)),
            collection=evaluation.collection,
            pipelines=[evaluation.pipeline],
        ),
        x="queries, in order of AP",
        y="AP, %",
        height=HEIGHT,
        showlegend=False,
        hovermode="closest",
    )
    queries = [str(query) for query in aps.index[drawn]]
    figure.add_scatter(
        x=np.arange(len(drawn)),
        y=values[drawn],
        mode="lines+markers",
        line={"width": 0},
        marker={"color": PALETTE[0], "size": 8 if len(drawn) <= 100 else 6},
        ids=queries,
        hovertext=[
            f"{text(query)}<br>AP {ap:.1f} %" for query, ap in zip(queries, values[drawn], strict=True)
        ],
        hoverinfo="text",
    )
    _set_axes(figure, queries)
    return figure


def _interval(values: NDArray[np.float64]) -> str:
    """The 95 % interval of the mean, in words."""
    low, high = mean_interval(values)
    return "one query: no interval" if len(values) == 1 else f"95 % interval {low:.1f} to {high:.1f}"


def _drawn_of(drawn: int, count: int) -> str:
    return "" if drawn == count else f"{drawn} drawn: both ends and an even selection"


def _set_axes(figure: Figure, queries: Sequence[str]) -> None:
    """Percent upwards, and the queries across, with their names if these fit."""
    figure.update_yaxes(range=[-2, 102])
    figure.update_xaxes(
        range=[-0.8, len(queries) - 0.2], showgrid=False, zeroline=False, showticklabels=False
    )
    if len(queries) <= NAMED:
        figure.update_xaxes(
            showticklabels=True,
            tickvals=np.arange(len(queries)),
            ticktext=[text(query, 16) for query in queries],
            tickangle=-45,
        )


def selection(count: int) -> NDArray[np.int64]:
    """The places of the queries that are drawn: all, or both ends and an even selection between them."""
    if count <= MOST:
        return np.arange(count)
    inner = EXTREMES + even_selection(count - 2 * EXTREMES, MOST - 2 * EXTREMES)
    return np.concatenate([np.arange(EXTREMES), inner, np.arange(count - EXTREMES, count)])
