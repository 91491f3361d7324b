"""The AP of each query over shots and over videos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.common.palette import PALETTE
from workbench.evaluation.measures_text import percent
from workbench.figures.ap_differences import NAMED, selection
from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import query_count

if TYPE_CHECKING:
    from workbench.engine.moment_evaluation import MomentEvaluation

_KINDS = {"videos": ("diamond", PALETTE[1]), "shots": ("circle-open", PALETTE[0])}  # circles lie on diamonds


def moment_aps(evaluation: MomentEvaluation) -> Figure:
    """The AP over shots and over videos of each query in percent, by the AP over shots.

    Points are named by query. Of more than 200 queries both ends and an even selection are drawn.
    """
    title = "AP of each query over shots and over videos"
    judged = evaluation.per_query.dropna(subset=["ap_shots"])
    if judged.empty:
        return notice("No object of a query appears in a video, so there is no AP.", title)
    order = np.argsort(judged["ap_shots"].to_numpy(), kind="stable")[selection(len(judged))]
    drawn = judged.iloc[order]
    metrics = evaluation.metrics
    figure = new_figure(
        title,
        subtitle(
            text(evaluation.collection),
            query_count(len(judged)),
            f"mAP {percent(metrics['mAP_shots'])} % and {percent(metrics['mAP_videos'])} %",
            f"time error {metrics['time_error']:.2f} s (median)",
            text(evaluation.pipeline),
            f"{len(drawn)} drawn: both ends and an even selection" if len(drawn) < len(judged) else "",
            collection=evaluation.collection,
            pipelines=[evaluation.pipeline],
        ),
        x="queries, in order of AP over shots",
        y="AP, %",
        height=440,
        legend={**LEGEND_BELOW, "traceorder": "reversed"},
        hovermode="x",
        hoverdistance=-1,  # the whole column of a query
    )
    places, queries = np.arange(len(drawn)), [str(query) for query in drawn["query"]]
    columns = ["shots", "ap_shots", "videos", "ap_videos", "time_error"]
    hover = [
        f"{text(query)}<br>AP over {shots:,.0f} shots {percent(ap_shots)} %, over {videos:,.0f} videos "
        f"{percent(ap_videos)} %<br>time error {error:.2f} s"
        for query, (shots, ap_shots, videos, ap_videos, error) in zip(
            queries, drawn[columns].to_numpy(float).tolist(), strict=True
        )
    ]
    for kind, (symbol, colour) in _KINDS.items():
        figure.add_scatter(
            x=places,
            y=100 * drawn[f"ap_{kind}"].to_numpy(float),
            mode="lines+markers",  # the arrow keys walk along a line, from query to query
            line={"width": 0},
            name=f"over {kind}",
            marker={"symbol": symbol, "color": colour, "size": 8 if len(drawn) <= 100 else 6},
            ids=queries,
            hovertext=hover,
            hoverinfo="text" if kind == "shots" else "none",
        )
    figure.update_yaxes(range=[-2, 102])
    figure.update_xaxes(range=[-0.8, len(drawn) - 0.2], showgrid=False, zeroline=False, showticklabels=False)
    if len(drawn) <= NAMED:
        figure.update_xaxes(
            showticklabels=True,
            tickvals=places,
            ticktext=[text(query, 16) for query in queries],
            tickangle=-45,
        )
    return figure
