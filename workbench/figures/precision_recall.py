"""Precision over recall of several pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.collections.protocols import PROTOCOLS
from workbench.figures.style import DASHES, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.engine.evaluate import Evaluation


def precision_recall(evaluations: Sequence[Evaluation], setting: str = "") -> Figure:
    """The mean interpolated precision at recalls 0, 0.01 … 1 of each pipeline, in percent.

    ``setting`` is one of the protocol's (default: the headline).
    """
    title = "Precision over recall"
    if not evaluations:
        return notice("There is no pipeline to draw.", title)
    first = evaluations[0]
    setting = setting or PROTOCOLS[first.protocol].headline
    drawn = [e for e in evaluations if setting in e.curves and np.isfinite(e.curves[setting]).any()]
    if not drawn:
        return notice("No query has a positive, so there is no precision over recall.", title)
    figure = new_figure(
        title,
        subtitle(
            f"{text(first.collection)}, {setting}".rstrip(", "),
            f"n = {first.judged} queries",
            collection=first.collection,
            pipelines=[e.pipeline for e in drawn],
        ),
        x="recall, %",
        y="precision, %",
    )
    recalls = np.arange(101)
    for number, evaluation in enumerate(drawn):
        figure.add_scatter(
            x=recalls,
            y=100 * np.asarray(evaluation.curves[setting]),
            mode="lines",
            name=text(evaluation.pipeline),
            line={"dash": DASHES[number % len(DASHES)]},
        )
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(range=[0, 101])
    return figure
