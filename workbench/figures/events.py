"""Events: the smoothed score of a query over the time of each video, as strips, with the events framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.collections.video.moment import clock
from workbench.common.palette import PALETTE
from workbench.figures.narrow_layout import narrow
from workbench.figures.pictures import outlines
from workbench.figures.style import Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.events import Events, ScoreCurve

VIDEOS = 30  # that are drawn: first those with events, by their best one
_ROW, _AROUND = 26, 176  # pixels of a strip, and of titles and axis
_COLUMNS = 600  # of a strip
_HALF = 0.42  # of a strip's height, in rows
_NAME = 26  # characters beside a strip


def events(result: Events) -> Figure:
    """A strip for each video: its colour is the smoothed score, in standard deviations, at each time.

    Frames are events; the point in one is its moment with the highest score, and has its id.
    """
    title = f"Events {text(result.title, 70)}"
    curves = _drawn(result)
    if not curves:
        return notice("There is no moment to score.", title)
    length = max(curve.end for curve in curves)
    rows = {curve.video: number for number, curve in enumerate(curves)}
    figure = new_figure(
        title,
        subtitle(
            f"n = {len(result.table):,} events",
            f"{len(curves):,} of {len(result.curves):,} videos drawn"
            if len(curves) < len(result.curves)
            else "",
            f"threshold {result.threshold:.2f}, {result.min_seconds:g} s or longer",
            text(result.pipeline, 50),
            collection=result.collection,
            pipelines=[result.pipeline],
        ),
        x="time, s",
        height=_AROUND + _ROW * max(2, len(curves)),
        showlegend=False,
        hovermode="closest",
    )
    steps = min(_COLUMNS, max(2, 2 * max(len(curve.ids) for curve in curves)))
    times = (np.arange(steps) + 0.5) * length / steps
    scores = np.array([_strip(curve, times) for curve in curves])
    figure.add_trace(
        go.Heatmap(
            z=scores,
            x=times,
            y=np.arange(len(curves)),
            colorscale="Viridis",
            colorbar={"title": {"text": "smoothed score", "side": "right"}, "thickness": 12},
            hovertemplate="%{x:.1f} s: %{z:.2f}<extra></extra>",
            name="smoothed score",
            ygap=3,
        )
    )
    table = result.table[result.table["video"].isin(list(rows))]
    places = table["video"].map(rows).to_numpy(float)
    boxes = np.stack([table["start"], places - _HALF, table["end"], places + _HALF], 1).astype(float)
    x, y = outlines(boxes)
    for line in ({"color": "rgba(255,255,255,0.9)", "width": 4}, {"color": PALETTE[1], "width": 2}):
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")
    seconds = {
        name: at for curve in curves for name, at in zip(curve.ids, curve.seconds.tolist(), strict=True)
    }
    figure.add_scatter(
        x=[seconds[peak] for peak in table["peak"]],
        y=places,
        mode="markers",
        marker={"color": PALETTE[1], "size": 8, "line": {"color": "white", "width": 1.5}},
        ids=table["peak"].tolist(),
        hovertext=[
            f"{text(video)}<br>{clock(start)}–{clock(end)}, score {score:.2f}"
            f"<br>highest at {clock(seconds[peak])}"
            for video, start, end, score, peak in table.itertuples(index=False, name=None)
        ],
        hoverinfo="text",
        name="events",
    )
    names = [text(curve.video.rpartition("/")[2] or curve.video, _NAME) for curve in curves]
    figure.update_yaxes(
        tickvals=list(range(len(curves))),
        ticktext=names,
        range=[max(2, len(curves)) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(range=[0, length], showgrid=False, zeroline=False)
    short = [text(curve.video.rpartition("/")[2] or curve.video, 12) for curve in curves]
    narrow(figure, 600, yaxis={"ticktext": short})
    return figure


def _drawn(result: Events) -> list[ScoreCurve]:
    """The curves that are drawn: those with events, by the best one, then those with the highest scores."""
    first = {video: number for number, video in reversed([*enumerate(result.table["video"])])}
    curves = [curve for curve in result.curves if len(curve.ids)]
    return sorted(curves, key=lambda curve: (first.get(curve.video, np.inf), -curve.smoothed.max()))[:VIDEOS]


def _strip(curve: ScoreCurve, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smoothed scores at ``times`` by the nearest moment; NaN after the end of the video."""
    middles = (curve.seconds[1:] + curve.seconds[:-1]) / 2
    values = curve.smoothed[np.searchsorted(middles, times, side="right")]
    return np.where(times < curve.end, values, np.nan)
