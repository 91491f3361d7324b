"""Colours of heat: one map for amounts, one for signed contributions, as tables and as pixels."""

from __future__ import annotations

import numpy as np

# The Oklab space, in which equal steps look equal (Ottosson 2020, bottosson.github.io/posts/oklab).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# From dark violet over red and orange to light yellow: lightness only grows.
_AMOUNT = ((43, 10, 87), (155, 41, 100), (237, 105, 37), (252, 255, 164))
# Orange adds, blue takes away: colour-blind people tell them apart.
ADDS, TAKES = (230, 97, 1), (44, 86, 178)
_OPAQUE = 220  # alpha at the end of a scale: the picture is still seen


def oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB 0…255 [..., 3] to Oklab [..., 3]."""
    share = np.asarray(rgb, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _CONES.T) @ _LAB.T


def srgb(lab: np.ndarray) -> np.ndarray:
    """Oklab [..., 3] to sRGB 0…255 [..., 3], clipped to what a screen shows."""
    linear = (lab @ np.linalg.inv(_LAB).T) ** 3 @ np.linalg.inv(_CONES).T
    linear = linear.clip(0, 1)
    share = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * share


def table(signed: bool) -> np.ndarray:
    """256 colours RGBA, uint8 [256, 4]: of amounts from 0 to the top, or of signed values, 128 the nought.

    Amounts are perceptually uniform, steps of one length in Oklab, and grow out of transparency.
    Signed values are transparent in the middle.
    """
    if signed:
        value = (np.arange(256) - 128) / 127
        colour = np.where(value[:, None] >= 0, ADDS, TAKES)
        alpha = np.abs(value).clip(0, 1) ** 0.7
    else:
        anchors = oklab(np.array(_AMOUNT))
        reached = np.r_[0, np.cumsum(np.linalg.norm(np.diff(anchors, axis=0), axis=1))]
        steps = np.linspace(0, reached[-1], 256)
        colour = srgb(np.stack([np.interp(steps, reached, one) for one in anchors.T], -1))
        alpha = np.linspace(0, 1, 256) ** 0.8
    return np.c_[colour, _OPAQUE * alpha].round().astype(np.uint8)


def coloured(values: np.ndarray, top: float, signed: bool) -> np.ndarray:
    """Values [H, W] as RGBA, uint8 [H, W, 4], on a scale that ends at ``top`` (> 0)."""
    share = values / top
    index = 128 + 127 * share.clip(-1, 1) if signed else 255 * share.clip(0, 1)
    return table(signed)[np.nan_to_num(index, nan=128.0 if signed else 0.0).round().astype(int)]
