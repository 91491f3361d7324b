"""The precision of positives, or the AP of queries, over what the ground truth knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.common.even_selection import even_selection
from workbench.common.palette import PALETTE
from workbench.config.errors import WorkbenchError
from workbench.evaluation.intervals import mean_intervals
from workbench.figures.style import (
    LEGEND_BELOW,
    WEBGL_FROM,
    Figure,
    error_bars,
    new_figure,
    notice,
    subtitle,
    text,
)
from workbench.figures.subtitle_parts import collection_part, query_count

if TYPE_CHECKING:
    from workbench.analysis.ap_factors import ApFactors

# Each fact: its words, the title of its axis, its factor and digits, and whether it is one of queries.
FACTS = {
    "visible": ("visible share of the target", "visible share of the target, %", 100.0, 0, False),
    "size": ("size of the target", "target's share of the picture, %", 100.0, 1, False),
    "tilt": ("tilt of the target", "tilt of the target, degrees", 1.0, 0, False),
    "box": ("size of the query's box", "box's share of the query's picture, %", 100.0, 1, True),
    "positives": ("number of positives", "positives of the query", 1.0, 0, True),
}
BINS = 6
MOST = 5_000  # points that are drawn


def ap_factors(factors: ApFactors, fact: str = "visible") -> Figure:
    """Points and the means of six bins with equal numbers of points, with 95 % intervals, in percent.

    Of ``visible``, ``size`` and ``tilt`` a point is a positive and its precision; of ``box`` and
    ``positives`` it is a query and its AP. Points are named by image, or by query. Raises WorkbenchError if
    there is no such fact.
    """
    if fact not in FACTS:
        raise WorkbenchError(f"{fact!r} is not a fact about targets; valid: {', '.join(FACTS)}")
    words, axis, factor, digits, of_queries = FACTS[fact]
    title = f"{'AP' if of_queries else 'Precision'} by {words}"
    table = factors.table.dropna(subset=[fact])
    queries = table["query"].nunique()
    if of_queries:
        table = table.drop_duplicates("query")
    if table.empty:
        collection, known = text(factors.collection), ", ".join(factors.facts)
        return notice(
            f"The ground truth of {collection} does not tell the {words}."
            + (f" It tells: {known}." if known else ""),
            title,
        )
    x = factor * table[fact].to_numpy(float)
    y = 100 * table["ap" if of_queries else "precision"].to_numpy(float)
    drawn = np.argsort(x, kind="stable")[even_selection(len(x), MOST)] if len(x) > MOST else np.arange(len(x))
    count = query_count(queries)
    if not of_queries:
        count = f"n = {len(table):,} positives of {count.removeprefix('n = ')}"
    figure = new_figure(
        title,
        subtitle(
            collection_part(factors.collection, factors.setting),
            count,
            f"{len(drawn):,} points drawn" if len(drawn) < len(table) else "",
            collection=factors.collection,
            pipelines=[factors.pipeline],
        ),
        x=axis,
        y="AP, %" if of_queries else "precision contributed to AP, %",
        height=440,
        legend=LEGEND_BELOW,
        hovermode="closest",
    )
    shown = table.iloc[drawn]
    add = figure.add_scattergl if len(drawn) > WEBGL_FROM else figure.add_scatter
    add(
        x=x[drawn],
        y=y[drawn],
        mode="markers",
        name=f"{'queries' if of_queries else 'positives'}, by {text(factors.pipeline)}",
        marker={"color": PALETTE[0], "size": 6, "opacity": 0.5},
        ids=[str(name) for name in shown["query" if of_queries else "image_id"]],
        hovertext=_hover(shown, of_queries, x[drawn], axis, digits),
        hoverinfo="text",
    )
    _add_means(figure, x, y, digits)
    figure.update_yaxes(range=[-2, 102])
    figure.update_xaxes(zeroline=False)
    if fact == "positives" and np.ptp(x) < 10:
        figure.update_xaxes(dtick=1)
    return figure


def _hover(shown: pd.DataFrame, of_queries: bool, x: np.ndarray, axis: str, digits: int) -> list[str]:
    if of_queries:
        rows = zip(shown["query"], shown["ap"], x, strict=True)
        return [f"query {text(q)}<br>AP {100 * ap:.1f} %<br>{axis}: {v:.{digits}f}" for q, ap, v in rows]
    columns = (shown[name] for name in ("image_id", "query", "rank", "precision"))
    return [
        f"{text(image)}<br>query {text(query)}, {'not ranked' if pd.isna(rank) else f'rank {rank}'}<br>"
        f"precision {100 * precision:.1f} %<br>{axis}: {value:.{digits}f}"
        for image, query, rank, precision, value in zip(*columns, x, strict=True)
    ]


def _add_means(figure: Figure, x: np.ndarray, y: np.ndarray, digits: int) -> None:
    """Add the mean of each bin at the mean of its x; the borders are quantiles of x, or few values."""
    values = np.unique(x)
    few = len(values) <= BINS
    inner = values[1:] if few else np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)))[1:-1]
    bins = np.searchsorted(inner, x, side="right")
    parts = [(x[bins == number], y[bins == number]) for number in np.unique(bins)]
    means, low, high = mean_intervals([values for _, values in parts])
    figure.add_scatter(
        x=[places.mean() for places, _ in parts],
        y=means,
        mode="lines+markers",
        name="means of bins with 95 % intervals",
        line={"color": PALETTE[1], "width": 2},
        marker={"symbol": "diamond", "size": 9, "color": PALETTE[1]},
        error_y=error_bars(means, low, high),
        hovertext=[
            f"{places.min():.{digits}f} to {places.max():.{digits}f}: mean {mean:.1f} %"
            f"<br>95 % interval {start:.1f} to {end:.1f}, n = {len(places):,}"
            for (places, _), mean, start, end in zip(parts, means, low, high, strict=True)
        ],
        hoverinfo="text",
    )
