"""The spectrum of a descriptor before and after whitening: the variance of its principal directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.common.palette import NEUTRAL
from workbench.descriptors.whitening import Whitening
from workbench.figures.style import DASHES, LEGEND_BELOW, Figure, new_figure, notice, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.cooccurrence import Cooccurrence

WHEN = ("before", "after")
_MOST = 0.9  # of the variance
_LEAST = 1e-9  # share of variance below which it is a rounding error, and not drawn
_SIZE = 420  # pixels


def spectrum(result: Cooccurrence | Whitening) -> Figure:
    """The share of variance of each principal direction in percent, on a logarithmic axis.

    Whitening at full strength makes the shares equal; the line of equal shares is drawn for comparison. Of a
    fitted whitening the shares are those among the directions that it keeps.
    """
    if isinstance(result, Whitening):
        return _of_whitening(result)
    title = "Variance of the principal directions before and after whitening"
    shares = [np.asarray(values, float) for values in result.spectrum]
    if not all((values > _LEAST).any() for values in shares):
        return notice("All vectors are the same, so there is no variance.", title)
    details = subtitle(
        f"n = {result.vectors:,} vectors",
        "" if result.strength is None else f"strength {result.strength:g}",
        *_most(shares),
        collection=result.collection,
        pipelines=[result.pipeline],
    )
    described = text(result.pipeline) + ("<br>" if result.pipeline else "") + details
    return _drawn(title, described, "share of the variance, %", shares)


def _of_whitening(whitening: Whitening) -> Figure:
    """The shares of variance among the directions of a fitted whitening."""
    title = "Variance of the kept directions before and after whitening"
    variances, strength = whitening.variances, whitening.strength
    if variances is None or strength is None:
        kind = "Learned whitening" if strength is None else "A PCA without whitening"
        return notice(f"{kind} stores its projection alone, and not the variance of its directions.", title)
    shares = [values / values.sum() for values in (variances, variances ** (1 - strength))]
    collection, vectors = str(whitening.provenance.get("collection", "")), whitening.provenance.get("vectors")
    details = subtitle(
        text(collection),
        "" if vectors is None else f"n = {vectors:,} vectors",
        f"strength {strength:g}",
        *_most(shares),
        collection=collection,
    )
    return _drawn(title, details, "share of the kept variance, %", shares)


def _most(shares: Sequence[np.ndarray]) -> list[str]:
    """How many directions hold most of the variance, before and after."""
    return [
        f"{_count(values)} directions hold {100 * _MOST:.0f} % {when}"
        for values, when in zip(shares, WHEN, strict=True)
    ]


def _drawn(title: str, described: str, y: str, shares: Sequence[np.ndarray]) -> Figure:
    """The shares before and after whitening as lines."""
    figure = new_figure(
        title,
        described,
        x="number of the direction, by variance",
        y=y,
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
