"""Histograms of the scores of positives, negatives and ignored images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.common.palette import JUNK, NEGATIVE, POSITIVE
from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, notice, subtitle, text, translucent
from workbench.figures.subtitle_parts import collection_part, query_count

if TYPE_CHECKING:
    from workbench.analysis.score_distributions import ScoreDistributions

BINS = 60


def score_histogram(scores: ScoreDistributions) -> Figure:
    """The share of each class, in percent, in 60 equal intervals of the score."""
    title = "Scores of positives and negatives"
    classes = {
        "negatives": (scores.negatives, scores.total, NEGATIVE, "dash"),
        "junk (ignored)": (scores.junk, len(scores.junk), JUNK, "dot"),
        "positives": (scores.positives, len(scores.positives), POSITIVE, "solid"),
    }
    if not len(scores.positives):
        return notice("No positive was ranked, so there is nothing to compare with the negatives.", title)
    kept = np.concatenate([values for values, *_ in classes.values()])
    low, high = float(kept.min()), float(kept.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    figure = new_figure(
        title,
        subtitle(
            collection_part(scores.collection, scores.setting),
            query_count(scores.queries),
            f"AUC {scores.auc:.3f}" if len(scores.negatives) else "",
            f"{len(scores.negatives):,} negatives drawn" if len(scores.negatives) < scores.total else "",
            f"{scores.unranked:,} pairs not ranked" if scores.unranked else "",
            collection=scores.collection,
            pipelines=[scores.pipeline],
        ),
        x=f"score by {text(scores.pipeline)}",
        y="share of the class, %",
        height=440,
        legend=LEGEND_BELOW,
        hovermode="closest",
    )
    digits = max(0, 2 - int(np.floor(np.log10(edges[-1] - edges[0]))))
    for name, (values, total, color, dash) in classes.items():
        if not len(values):
            continue
        counts = np.histogram(values, edges)[0]
        shares = 100 * counts / len(values)
        figure.add_scatter(
            x=(edges[1:] + edges[:-1]) / 2,
            y=shares,
            mode="lines",
            line={"shape": "hvh", "color": color, "dash": dash, "width": 2},
            fill="tozeroy",
            fillcolor=translucent(color, 0.15),
            name=f"{name}, n = {total:,}",
            hovertext=[
                f"{share:.1f} % of {name}<br>score {start:.{digits}f} to {end:.{digits}f}"
                for share, start, end in zip(shares, edges, edges[1:], strict=False)
            ],
            hoverinfo="text",
        )
    figure.update_yaxes(rangemode="tozero")
    return figure
