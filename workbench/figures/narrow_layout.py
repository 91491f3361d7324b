"""Layouts of narrow charts, such as in a column beside a ranking; the chart widget applies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

SCALE = 124  # pixels below the plots for the titles of axes and a scale of colours


def scale_below(area: float) -> dict[str, Any]:
    """The scale of colours below plots that are ``area`` pixels high."""
    place = {"x": 0, "xanchor": "left", "y": -44 / area, "yanchor": "top", "len": 1}
    return {"orientation": "h", "title": {"side": "top", "font": {"size": 11}}, **place}


def narrow(
    figure: go.Figure, below: float, data: Mapping[str, Mapping[str, Any]] | None = None, **layout: Any
) -> None:
    """Name what changes in the layout of a chart that is less than ``below`` pixels wide.

    ``data`` are attributes that change in traces, by the number of the trace as text. Of several, the widest
    comes first: the widget merges all that apply, in this order. Lists replace lists.
    """
    meta = dict(figure.layout.meta or {})
    named = [*meta.get("narrow", []), {"below": below, "layout": layout, "data": dict(data or {})}]
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


def stacked_annotations(figure: go.Figure, domains: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """The annotations of a figure whose plots are below one another in ``domains``.

    The first ones are the titles of the plots, each above its own; the others stay where they are.
    """
    annotations = [annotation.to_plotly_json() for annotation in figure.layout.annotations]
    titles = [
        {**annotation, "x": 0, "xanchor": "left", "y": top, "yanchor": "bottom"}
        for annotation, (_, top) in zip(annotations, domains, strict=False)
    ]
    return [*titles, *annotations[len(titles) :]]
