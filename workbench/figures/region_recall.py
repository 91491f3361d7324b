"""Recall of targets over the number of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.analysis.proposal_recall import REGIONS
from workbench.figures.style import DASHES, LEGEND_BELOW, SYMBOLS, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.proposal_recall import RegionRecall

TITLE = "Recall of targets by the first regions"


def region_recall(recall: RegionRecall) -> Figure:
    """The share of targets of which one of the first n regions has the IoU, in percent, over n."""
    kinds = [kind for kind in REGIONS if np.isfinite(recall[kind]).any()]
    about = recall.attrs
    if not kinds:
        return notice("There is no target to look for, so there is no recall.", TITLE)
    figure = new_figure(
        TITLE,
        subtitle(
            text(about["collection"]),
            f"n = {about['targets']:,} targets in {about['images']:,} images",
            f"IoU of at least {about['iou']:g}",
            text(about["pipeline"]),
            collection=about["collection"],
            pipelines=[about["pipeline"]],
        ),
        x="number of regions",
        y="recall, %",
        height=440,
        hovermode="closest",
        legend=LEGEND_BELOW,
    )
    counts = recall["regions"].tolist()
    for number, kind in enumerate(kinds):
        shares = (100 * recall[kind]).tolist()
        figure.add_scatter(
            x=counts,
            y=shares,
            mode="lines+markers",
            name=REGIONS[kind],
            line={"dash": DASHES[number]},
            marker={"symbol": SYMBOLS[number], "size": 7},
            ids=[f"{kind} {count}" for count in counts],
            hovertext=[
                f"{REGIONS[kind]}, {count:,} regions: recall {share:.1f} %"
                for count, share in zip(counts, shares, strict=True)
            ],
            hoverinfo="text",
        )
    figure.update_xaxes(type="log", tickvals=counts, ticktext=[f"{count:,}" for count in counts])
    figure.update_yaxes(range=[0, 102])
    return figure
