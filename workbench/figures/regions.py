"""The regions of pipelines on pictures, beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.common.palette import PALETTE
from workbench.config.config import Config
from workbench.figures.pictures import CASING, Frame, outlines, picture_figure
from workbench.figures.style import DASHES, Figure, notice, subtitle

if TYPE_CHECKING:
    from workbench.explain.activations import Activations

_COLOURS = (PALETTE[1], PALETTE[0], PALETTE[2], PALETTE[3], PALETTE[4], PALETTE[5])  # by level; 0: no levels
_FAINTEST = 0.15  # opacity of a region without weight
_STEPS = 12  # of opacity
MOST = 60  # pictures in a figure


def regions(activations: Sequence[Activations], columns: int = 3) -> Figure:
    """The regions of each picture as outlines, in rows of ``columns``; their opacity is their weight.

    The levels of R-MAC are entries of the legend. Weights are relative to the largest of a picture.
    """
    if not activations:
        return notice("There is no picture to draw regions on.", "Regions")
    drawn = activations[:MOST]
    numbers = sorted({len(shown.regions) for shown in drawn})
    figure, frames = picture_figure(
        [shown.picture for shown in drawn],
        [shown.maps.shape[:0:-1] for shown in drawn],
        "Regions",
        subtitle(
            f"n = {' to '.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} regions a picture",
            "opacity: weight of the region, relative to the largest",
            f"the first {MOST} of {len(activations):,} pictures" if len(activations) > MOST else "",
            collection=drawn[0].collection,
            pipelines=[shown.pipeline for shown in drawn],
        ),
        columns,
        [scheme(shown) for shown in drawn],
    )
    for shown, frame in zip(drawn, frames, strict=True):
        add_regions(figure, shown, frame)
    return figure


def scheme(activations: Activations) -> str:
    """The regions of the pipeline as it writes them; empty if the pipeline is not known."""
    return str(Config.parse(activations.pipeline).regions) if activations.pipeline else ""


def add_regions(figure: Figure, activations: Activations, frame: Frame) -> None:
    """Add the regions on a picture in its frame; a level is one entry of the legend."""
    weights = np.abs(activations.weights) / (float(np.abs(activations.weights).max(initial=0)) or 1.0)
    steps = np.ceil(weights * _STEPS).astype(int)
    name = scheme(activations).partition(":")[0] or "regions"
    # The edges of several levels coincide, so that coarser ones are dashed and above the finer ones.
    levels = sorted(set(activations.levels.tolist()), reverse=True)
    for level, dash in zip(levels, DASHES * len(levels), strict=False):
        group = f"level {level}" if level else "whole map" if name.startswith("rmac") else name
        for step in sorted(set(steps[activations.levels == level].tolist()), reverse=True):
            rows = np.flatnonzero((activations.levels == level) & (steps == step))
            _add_outlines(figure, activations, frame, rows, group, dash, max(_FAINTEST, step / _STEPS))


def _add_outlines(
    figure: Figure,
    activations: Activations,
    frame: Frame,
    rows: np.ndarray,
    group: str,
    dash: str,
    opacity: float,
) -> None:
    corners = frame.at(activations.regions[rows].reshape(-1, 2)).reshape(-1, 4)
    x, y = outlines(corners)
    first = all(trace.name != group for trace in figure.data)
    level = int(activations.levels[rows[0]])
    line = {"color": _COLOURS[level % len(_COLOURS)], "width": 2, "dash": dash}
    if first:  # the entry of the legend, which is not as faint as outlines of little weight
        entry: dict[str, Any] = {"name": group, "legendgroup": group, "showlegend": True}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, hoverinfo="skip", **entry)
    if dash == "solid":
        hidden: dict[str, Any] = {"legendgroup": group, "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=x, y=y, mode="lines", line=CASING, opacity=opacity, **hidden)
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=group,
        legendgroup=group,
        showlegend=False,
        line=line,
        opacity=opacity,
        ids=np.repeat(rows, 6).astype(str),
        hovertext=[
            f"region {row + 1} ({group}): weight {activations.weights[row]:.3g}, "
            f"norm {activations.norms[row]:.3g}"
            for row in rows
            for _ in range(6)
        ],
        hoverinfo="text",
    )
