"""The activations of a picture as HTML: sizes, regions, and the picture under the norm of all channels."""

from __future__ import annotations

import numpy as np

from workbench.common.picture_bytes import jpeg
from workbench.explain.activations import Activations
from workbench.report.markup import escape, paragraph, picture
from workbench.report.pictures import heat_picture

_SIDE = 480  # pixels of the picture's longer side


def activations_summary(activations: Activations) -> str:
    """Name and pipeline, the size of the map, and the regions with their levels."""
    channels, height, width = activations.maps.shape
    name = activations.picture.name if activations.picture else ""
    levels = dict(zip(*np.unique(activations.levels, return_counts=True), strict=True))
    counted = ", ".join(f"{count} at level {level}" for level, count in levels.items() if level)
    regions = f"{len(activations.regions)} regions" + (f" ({counted})" if counted else "")
    lines = [
        f"<b>{escape(' · '.join(filter(None, [name, activations.pipeline])))}</b>",
        f"{width} × {height} cells, {channels:,} channels, {regions}",
    ]
    return paragraph(lines)


def activations_still(activations: Activations) -> str:
    """The picture under the norm of all channels, with its scale; empty without a picture."""
    if activations.picture is None:
        return ""
    heat = activations.heat("norm")
    notes = [activations.pipeline] if activations.pipeline else []
    shown = heat_picture(
        [activations.picture], [heat], "norm of the activations", notes, signed=False, side=_SIDE
    )
    return picture(jpeg(shown), f"{activations.picture.name} under the norm of its activations")
