"""Confusion between labels: the label of each image and the label predicted for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from workbench.common.palette import PALETTE
from workbench.figures.narrow_layout import narrow
from workbench.figures.style import Figure, new_figure, notice, subtitle, text, translucent

if TYPE_CHECKING:
    from workbench.analysis.confusion import Confusion

MOST = 30  # labels that are drawn
_ROW = 20  # pixels of a label
_NARROW, _FIRST = 600, 12  # pixels of a narrow chart, and the labels that it shows at first
_NAME = 24  # characters of a label on an axis


def confusion(result: Confusion) -> Figure:
    """The images of each label (rows) by the label predicted for them (columns), in percent of the row.

    Of many labels those with the most errors are drawn, and the others are summed. The id of a cell with
    images is its row and column in ``result.labels``, for instance ``3 0``; -1 stands for the others.
    """
    queries = result.kind != "label"
    title = "Confusion between the queries that images answer" if queries else "Confusion between labels"
    if not len(result.images):
        return notice("No image has a label that another image has too.", title)
    numbers, counts = _drawn(result.counts)
    others = f"{len(result.labels) - MOST + 1} others"
    names = [text(result.labels[n], _NAME) if n >= 0 else others for n in numbers]
    totals = counts.sum(1, keepdims=True)
    shares = 100 * counts / np.where(totals > 0, totals, 1)
    details = subtitle(
        f"accuracy {100 * result.accuracy:.1f} %",
        f"n = {len(result.images):,} images of {len(result.labels):,} {'queries' if queries else 'labels'}",
        f"{result.left_out:,} left out" if result.left_out else "",
        f"the {MOST - 1} with the most errors, the others summed" if numbers[-1] < 0 else "",
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    described = f"{text(result.pipeline)}, by {result.rule}, leave one out<br>{details}"
    figure = new_figure(
        title,
        described,
        x="predicted",
        y=result.kind,
        height=200 + _ROW * max(8, len(names)),
        margin={"t": 84},
    )
    hover = [
        [
            f"{row}<br>predicted: {column}<br>{counts[i, j]:,} of {totals[i, 0]:,} images"
            f" ({shares[i, j]:.1f} %)"
            for j, column in enumerate(names)
        ]
        for i, row in enumerate(names)
    ]
    figure.add_trace(
        go.Heatmap(
            z=shares,
            coloraxis="coloraxis",
            hovertext=hover,
            hoverinfo="text",
            xgap=1,
            ygap=1,
        )
    )
    rows, columns = np.nonzero(counts)
    figure.add_scatter(
        x=columns,
        y=rows,
        mode="text",
        text=[f"{counts[i, j]:,}" for i, j in zip(rows, columns, strict=True)],
        textfont={"size": 10},
        hovertext=[hover[i][j] for i, j in zip(rows, columns, strict=True)],
        hoverinfo="text",
        ids=[f"{numbers[i]} {numbers[j]}" for i, j in zip(rows, columns, strict=True)],
        showlegend=False,
    )
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False, "zeroline": False}
    figure.update_xaxes(ticks, tickangle=-45 if len(names) > 6 else 0, tickfont={"size": 11})
    figure.update_yaxes(ticks, autorange="reversed", tickfont={"size": 11})
    figure.update_layout(
        coloraxis={
            "colorscale": [[0, translucent(PALETTE[0], 0.04)], [1, translucent(PALETTE[0], 0.75)]],
            "cmin": 0,
            "cmax": 100,
            "colorbar": {"title": {"text": "share of the row, %", "side": "right"}, "thickness": 12},
        }
    )
    narrow(figure, _NARROW, coloraxis={"showscale": False})  # cells have their numbers
    if len(names) > _FIRST:
        ends = [-0.5, _FIRST - 0.5]
        narrow(
            figure,
            _NARROW,
            height=200 + _ROW * _FIRST,
            title={
                "subtitle": {"text": f"{described}<br>the first {_FIRST} are shown: Pan moves to the others"}
            },
            xaxis={"autorange": False, "range": ends, "tickangle": -90},
            yaxis={"autorange": False, "range": ends[::-1]},
        )
    return figure


def _drawn(counts: np.ndarray) -> tuple[list[int], np.ndarray]:
    """The labels that are drawn, -1 for all others, and the counts between these."""
    if len(counts) <= MOST:
        return list(range(len(counts))), counts
    wrong = counts - np.diag(np.diag(counts))
    most = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[: MOST - 1]
    group = np.full(len(counts), MOST - 1)
    group[most] = np.arange(MOST - 1)
    summed = np.zeros((MOST, MOST), np.int64)
    np.add.at(summed, (group[:, None], group[None]), counts)
    return [*most.tolist(), -1], summed
