"""Two videos aligned: the similarities of their frames as a matrix, with the copied segments as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from workbench.common.palette import PALETTE
from workbench.engine.copies import COLUMNS
from workbench.figures.style import Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.engine.frame_alignment import FrameAlignment

MOST = 600  # frames of a side that are drawn; of more, the most similar of neighbours


def frame_alignment(result: FrameAlignment) -> Figure:
    """The cosines of frames: the query's time up, the video's time across, both in seconds."""
    title = "Two videos, frame by frame"
    if not result.similarities.size:
        return notice("One of the videos has no frames.", title)
    count = len(result.segments)
    details = subtitle(
        f"{len(result.query_times):,} × {len(result.times):,} frames",
        "no copied segment" if not count else f"{count} copied segment{'s' if count > 1 else ''}",
        "the query is mirrored" if result.mirrored else "",
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    figure = new_figure(
        title,
        f"{text(result.query)} with {text(result.video)}<br>{details} · {text(result.pipeline)}",
        x=f"time in {text(result.video, 30)}, s",
        y=f"time in {text(result.query, 30)}, s",
        height=460,
        margin={"t": 90},
    )
    similarities, up, across = _reduced(result.similarities, result.query_times, result.times)
    figure.add_trace(
        go.Heatmap(
            z=similarities,
            x=across,
            y=up,
            hovertemplate="%{y:.1f} s with %{x:.1f} s: cosine %{z:.3f}<extra></extra>",
            colorbar={"title": {"text": "cosine", "side": "right"}, "outlinewidth": 0, "thickness": 12},
        )
    )
    for number, one in enumerate(result.segments.to_dict("records")):
        figure.add_scatter(
            x=[one["start"], one["end"]],
            y=[one["query_start"], one["query_end"]],
            mode="lines+markers",
            line={"width": 3, "color": PALETTE[1]},
            marker={"size": 8, "line": {"width": 1, "color": "white"}},
            name="copied segment",
            showlegend=number == 0,
            legendgroup="segments",
            hovertext=[_sentence(one)] * 2,
            hoverinfo="text",
        )
    figure.update_yaxes(showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"}
    )
    return figure


def _sentence(segment: Mapping[Any, float]) -> str:
    query, video = (f"{segment[a]:.1f}–{segment[b]:.1f} s" for a, b in (COLUMNS[:2], COLUMNS[3:5]))
    return f"{query} is {video}, score {segment['score']:.1f}"


def _reduced(
    similarities: np.ndarray, up: np.ndarray, across: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most ``MOST`` frames of each side, each the most similar of its group."""
    rows, columns = (np.arange(0, length, max(1, -(-length // MOST))) for length in similarities.shape)
    small = np.maximum.reduceat(np.maximum.reduceat(similarities, rows, 0), columns, 1)
    return small.round(3), up[rows], across[columns]
