"""The spectrum of a descriptor before and after whitening: the variance of its principal directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.figures.style import DASHES, LEGEND_BELOW, NEUTRAL, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.cooccurrence import Cooccurrence

WHEN = ("before", "after")
_MOST = 0.9  # of the variance
_LEAST = 1e-9  # share of variance below which it is a rounding error, and not drawn
_SIZE = 420  # pixels


def spectrum(result: Cooccurrence) -> Figure:
    """The share of variance of each principal direction in percent, on a logarithmic axis.

    Whitening at full strength makes the shares equal; the line of equal shares is drawn for comparison.
    """
    title = "Variance of the principal directions before and after whitening"
    shares = [np.asarray(values, float) for values in result.spectrum]
    if not all((values > _LEAST).any() for values in shares):
        return notice("All vectors are the same, so there is no variance.", title)
    most = [
        f"{_count(values)} directions hold {100 * _MOST:.0f} % {when}"
        for values, when in zip(shares, WHEN, strict=True)
    ]
    details = subtitle(
        f"n = {result.vectors:,} vectors",
        "" if result.strength is None else f"strength {result.strength:g}",
        *most,
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    figure = new_figure(
        title,
        text(result.pipeline) + ("<br>" if result.pipeline else "") + details,
        x="number of the direction, by variance",
        y="share of the variance, %",
        height=_SIZE,
        margin={"t": 84},
        legend=LEGEND_BELOW,
    )
    for number, (values, when) in enumerate(zip(shares, WHEN, strict=True)):
        drawn = np.flatnonzero(values > _LEAST)
        held = 100 * np.cumsum(values)
        figure.add_scatter(
            x=drawn + 1,
            y=100 * values[drawn],
            mode="lines" if len(drawn) > 1 else "markers",
            name=f"{when} whitening ({len(values):,})",
            line={"dash": DASHES[number]},
            hovertext=[
                f"direction {row + 1} {when}: {100 * values[row]:.3g} %"
                f"<br>the first {row + 1} hold {held[row]:.1f} %"
                for row in drawn
            ],
            hoverinfo="text",
        )
    equal = 100 / len(shares[1])
    figure.add_hline(y=equal, line={"dash": "dot", "width": 1, "color": NEUTRAL})
    figure.add_annotation(
        **{"text": "equal shares", "showarrow": False, "font": {"size": 11}},
        **{"x": 1, "xref": "paper", "xanchor": "right", "y": float(np.log10(equal)), "yanchor": "bottom"},
    )
    decades = [np.ptp(np.log10(values[values > _LEAST])) for values in shares]
    figure.update_yaxes(type="log", dtick=1 if max(decades) > 2 else "D2")
    return figure


def _count(shares: np.ndarray) -> str:
    """The number of directions that hold most of the variance."""
    return f"{int(np.searchsorted(np.cumsum(shares), _MOST * shares.sum()) + 1):,}"
