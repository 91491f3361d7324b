"""Layouts of narrow charts, such as in a column beside a ranking; the chart widget applies them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

SCALE_BELOW = {  # the scale of colours below the plots
    **{"orientation": "h", "x": 0, "xanchor": "left", "len": 1, "title": {"side": "top"}},
    **{"y": 0, "yref": "container", "yanchor": "bottom"},
}


def narrow(figure: go.Figure, below: float, **layout: Any) -> None:
    """Name what changes in the layout of a chart that is less than ``below`` pixels wide.

    Of several, the widest comes first: the widget merges all that apply, in this order. Lists replace lists.
    """
    meta = dict(figure.layout.meta or {})
    named = [*meta.get("narrow", []), {"below": below, "layout": layout}]
    figure.update_layout(meta={**meta, "narrow": named})


def captions(figure: go.Figure, shares: Sequence[float]) -> None:
    """Name the share of the chart's width that each annotation has, to which the widget cuts it; 0: any."""
    figure.update_layout(meta={**(figure.layout.meta or {}), "captions": list(shares)})


def stacked(heights: Sequence[float], gaps: Sequence[float]) -> list[list[float]]:
    """The vertical domains [bottom, top] of plots below one another, with a gap after each but the last."""
    total, top, domains = sum(heights) + sum(gaps), 0.0, []
    for height, gap in zip(heights, [*gaps, 0.0], strict=True):
        domains.append([max(0.0, 1 - (top + height) / total), 1 - top / total])
        top += height + gap
    return domains
