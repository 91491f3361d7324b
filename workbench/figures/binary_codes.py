"""The bits in which two binary codes differ, over the cosine of their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import LEGEND_BELOW, Figure, new_figure, subtitle, text

if TYPE_CHECKING:
    from workbench.analysis.binary_codes import BinaryCodeStudy


def binary_codes(study: BinaryCodeStudy) -> Figure:
    """Mean differing bits with their standard deviation, and the expectation of random hyperplanes."""
    angles = study.angles
    figure = new_figure(
        f"Bits of {text(study.index)} that differ",
        subtitle(
            f"n = {int(angles['pairs'].sum()):,} pairs of a query and one of {study.images:,} images",
            f"{100 * study.rarer_side:.1f} % of the images on the rarer side of a bit",
            f"{study.distances:.0f} distances a query",
        ),
        x="cosine of the descriptors (rounded to 0.1)",
        y=f"differing bits, of {study.bits}",
    )
    figure.add_scatter(
        x=angles["cosine"],
        y=angles["differing"],
        error_y={"array": angles["deviation"]},
        mode="markers",
        name="mean and standard deviation",
        customdata=angles["pairs"],
        hovertemplate="cosine %{x:.1f}: %{y:.1f} bits, %{customdata:,} pairs<extra></extra>",
    )
    figure.add_scatter(
        x=angles["cosine"],
        y=angles["expected"],
        mode="lines",
        line={"dash": "dash"},
        name="random hyperplanes: bits · angle / π",
        hovertemplate="cosine %{x:.1f}: %{y:.1f} bits expected<extra></extra>",
    )
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(legend=LEGEND_BELOW)
    return figure
