"""Precision over recall of several pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.protocols import PROTOCOLS
from workbench.common.palette import NEUTRAL, PALETTE
from workbench.evaluation.comparison import query_aps
from workbench.figures.pipeline_labels import distinct_labels
from workbench.figures.style import DASHES, LEGEND_BELOW, Figure, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import collection_part, query_count

if TYPE_CHECKING:
    from workbench.engine.evaluate import Evaluation

NAMED = 8  # pipelines with a colour, a dash and a name
_RECALLS = np.arange(101)


def precision_recall(
    evaluations: Sequence[Evaluation], setting: str = "", emphasised: Sequence[str] = ()
) -> Figure:
    """The mean interpolated precision at recalls 0, 0.01 … 1 of each pipeline, in percent.

    ``setting`` is one of the protocol's (default: the headline). The first eight in order of mAP have a
    name and a colour, all others are thin and grey. ``emphasised`` pipelines come first, with thicker lines.
    Raises WorkbenchError if the protocol has no such setting.
    """
    title = "Precision over recall"
    if not evaluations:
        return notice("There is no pipeline to draw.", title)
    first = evaluations[0]
    setting = PROTOCOLS[first.protocol].setting(setting)
    if not any(setting in evaluation.curves for evaluation in evaluations):
        return notice("These evaluations have no curves: evaluate the pipelines again.", title)
    drawn = [e for e in evaluations if np.isfinite(e.curves.get(setting, np.nan)).any()]
    if not drawn:
        return notice("No query has a positive, so there is no precision over recall.", title)
    drawn.sort(key=lambda e: (_place(e.pipeline, emphasised), -np.nan_to_num(e.mean_ap)))
    pipelines = [evaluation.pipeline for evaluation in drawn]
    named = len(drawn) if len(drawn) <= NAMED else NAMED
    labels = distinct_labels(pipelines)[:named]
    rows = named + (len(drawn) > named)
    figure = new_figure(
        title,
        subtitle(
            collection_part(first.collection, setting),
            query_count(query_aps(first, setting).notna().sum()),
            collection=first.collection,
            pipelines=pipelines,
        ),
        x="recall, %",
        y="precision, %",
        height=420 + 19 * rows,
        legend={**LEGEND_BELOW, "tracegroupgap": 0},
        hovermode="closest",
    )
    for number in reversed(range(len(drawn))):  # the best lie on top
        evaluation, is_named = drawn[number], number < named
        figure.add_scatter(
            x=_RECALLS,
            y=100 * np.asarray(evaluation.curves[setting]),
            mode="lines",
            name=labels[number] if is_named else f"{len(drawn) - named} others",
            legendrank=number if is_named else NAMED,
            legendgroup=None if is_named else "others",
            showlegend=number <= named,
            line={
                "color": PALETTE[number % len(PALETTE)] if is_named else NEUTRAL,
                "dash": DASHES[number % len(DASHES)] if is_named else "solid",
                "width": 3 if evaluation.pipeline in emphasised else 2 if is_named else 1,
            },
            opacity=1 if is_named else 0.5,
            meta=text(evaluation.pipeline, 120),
            hovertemplate="%{meta}<br>precision %{y:.1f} % at recall %{x} %",
            hoverlabel={"namelength": 0},
        )
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(range=[0, 101])
    return figure


def _place(pipeline: str, emphasised: Sequence[str]) -> int:
    return emphasised.index(pipeline) if pipeline in emphasised else len(emphasised)
