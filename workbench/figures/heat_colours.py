"""The colours of heat over pictures as a scale of plotly."""

from __future__ import annotations

import numpy as np

from workbench.common.colormaps import coloured

_STEPS = 65  # colours of the scale; an odd number, so that zero is one of them


def heat_scale(signed: bool) -> list[tuple[float, str]]:
    """The scale of ``common.colormaps``: of amounts from 0, or of signed values; zero is transparent."""
    places = np.linspace(0, 1, _STEPS)
    values = 2 * places - 1 if signed else places
    colours = coloured(values[None], 1.0, signed)[0].tolist()
    return [
        (place, f"rgba({red},{green},{blue},{alpha / 255:.3f})")
        for place, (red, green, blue, alpha) in zip(places.tolist(), colours, strict=True)
    ]
