"""Colour maps of heat, one for amounts and one for signed contributions, as tables and as pixels."""

from __future__ import annotations

import numpy as np

from workbench.common.inferno import INFERNO

# Orange adds, blue subtracts: a pair that colour-blind people can tell apart. These are plain colours and not
# a diverging map of matplotlib, because those pass through white, which would veil the picture below.
ADDS, TAKES = (230, 97, 1), (44, 86, 178)
_OPAQUE = 220  # alpha at the end of a scale, so that the picture stays visible


def table(signed: bool) -> np.ndarray:
    """A colour map of 256 colours RGBA, uint8 [256, 4]: of amounts from 0, or of signed values with 0 at 128.

    Amounts are perceptually uniform, and 0 is transparent. Signed values are transparent in the middle.
    """
    if signed:
        value = (np.arange(256) - 128) / 127
        colour = np.where(value[:, None] >= 0, ADDS, TAKES)
        alpha = np.abs(value).clip(0, 1) ** 0.7
    else:
        colour = INFERNO
        alpha = np.linspace(0, 1, 256) ** 0.8
    return np.c_[colour, _OPAQUE * alpha].round().astype(np.uint8)


def coloured(values: np.ndarray, top: float, signed: bool) -> np.ndarray:
    """Values [H, W] as RGBA, uint8 [H, W, 4], on a scale that ends at ``top`` (> 0); NaN is transparent."""
    share = values / top
    index = 128 + 127 * share.clip(-1, 1) if signed else 255 * share.clip(0, 1)
    return table(signed)[np.nan_to_num(index, nan=128.0 if signed else 0.0).round().astype(int)]
