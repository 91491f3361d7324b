"""The mAP of several pipelines with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.collections.protocols import PROTOCOLS
from workbench.common.palette import PALETTE
from workbench.evaluation.comparison import query_aps
from workbench.evaluation.intervals import mean_intervals
from workbench.figures.pipeline_labels import distinct_labels, shared_backbone
from workbench.figures.style import Figure, error_bars, new_figure, notice, subtitle, text
from workbench.figures.subtitle_parts import collection_part, query_count

if TYPE_CHECKING:
    from workbench.engine.evaluate import Evaluation

ROW = 22  # pixels
LONGEST = 44  # characters of a name beside the plot, which must leave space for it


def mean_aps(evaluations: Sequence[Evaluation], setting: str = "") -> Figure:
    """The mAP of each pipeline in percent, the best at the top, with 95 % intervals over queries.

    ``setting`` is one of the protocol's (default: the headline). Points are named by pipeline.
    """
    title = "mAP of each pipeline"
    if not evaluations:
        return notice("There is no pipeline to draw.", title)
    first = evaluations[0]
    setting = PROTOCOLS[first.protocol].setting(setting)
    aps = {e.pipeline: query_aps(e, setting).dropna().to_numpy() for e in evaluations}
    drawn = sorted((p for p in aps if aps[p].size), key=lambda p: aps[p].mean())  # from below
    if not drawn:
        return notice("No query has a positive, so there is no mAP.", title)
    means, low, high = mean_intervals([100 * aps[pipeline] for pipeline in drawn])
    count = max(len(values) for values in aps.values())
    places, shared = list(range(len(drawn))), shared_backbone(drawn)
    labels = distinct_labels([pipeline.removeprefix(shared) for pipeline in drawn], LONGEST)
    figure = new_figure(
        title,
        subtitle(
            collection_part(first.collection, setting),
            f"{query_count(count)}{', bars: 95 % interval of the mean' if count > 1 else ': no interval'}",
            collection=first.collection,
            pipelines=drawn,
        ),
        x=f"mAP, % (of {text(shared)}…)" if shared else "mAP, %",
        height=140 + ROW * max(3, len(drawn)),
        showlegend=False,
        hovermode="closest",
    )
    figure.add_scatter(
        x=means,
        y=places,
        mode="markers",
        marker={"color": PALETTE[0], "size": 9},
        error_x=error_bars(means, low, high),
        ids=drawn,
        hovertext=[
            f"{text(pipeline, 120)}<br>mAP {mean:.1f} %"
            + (f", 95 % interval {start:.1f} to {end:.1f}" if count > 1 else "")
            for pipeline, mean, start, end in zip(drawn, means, low, high, strict=True)
        ],
        hoverinfo="text",
    )
    figure.update_yaxes(tickvals=places, ticktext=labels, zeroline=False, range=[-0.7, len(drawn) - 0.3])
    return figure
