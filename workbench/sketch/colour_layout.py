"""Colour layout: pictures compared by the mean colours of a coarse grid of cells.

As in QBIC's queries by drawing (Flickner et al., Computer, 1995) and the colour layout descriptor of MPEG-7
(Kasutani and Yamada, ICIP 2001; Manjunath et al., 2001), which divide a picture into cells and compare their
colours; here in CIELAB, whose distances are those that are seen, and without MPEG-7's cosine transform, so
that a score is a sum over cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CELLS = 8  # on each side, as in MPEG-7
PIXELS = 64  # of each side of the picture of which cells are averaged
SOFTNESS = 20.0  # units of CIELAB at which the similarity of two colours is 1/e
VERSION = 1  # increased when the same picture gives another layout


@dataclass(frozen=True)
class ColourLayout:
    """The mean ``colours`` of cells in CIELAB, float32 [8, 8, 3], and the share of ink in each, [8, 8]."""

    colours: np.ndarray
    ink: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """The weight of each cell, [8, 8], with the sum 1: blank cells have none."""
        total = float(self.ink.sum())
        return self.ink / total if total else self.ink


def lab(pixels: np.ndarray) -> np.ndarray:
    """The colours of a picture uint8 [H, W, 3] (sRGB) in CIELAB with the white D65, float32 [H, W, 3]."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def cell_colours(pixels: np.ndarray) -> np.ndarray:
    """The mean colour of each cell of a picture uint8 [64, 64, 3] (RGB), in CIELAB, float32 [8, 8, 3]."""
    side = PIXELS // CELLS
    return lab(pixels).reshape(CELLS, side, CELLS, side, 3).mean((1, 3)).astype(np.float32)


def drawn_layout(pixels: np.ndarray, ink: np.ndarray) -> ColourLayout:
    """The layout of a drawing uint8 [H, W, 3] (RGB): in each cell the mean colour of its ink, bool [H, W]."""
    height, width = ink.shape
    rows, columns = (np.arange(side) * CELLS // side for side in (height, width))
    cell = (rows[:, None] * CELLS + columns).ravel()
    colours = lab(pixels).reshape(-1, 3)
    counts = np.bincount(cell, minlength=CELLS**2)
    inked = np.bincount(cell, ink.ravel(), CELLS**2)
    sums = np.stack([np.bincount(cell, colours[:, n] * ink.ravel(), CELLS**2) for n in range(3)], -1)
    shape = (CELLS, CELLS)
    return ColourLayout(
        (sums / np.maximum(inked, 1)[:, None]).reshape(*shape, 3).astype(np.float32),
        (inked / np.maximum(counts, 1)).reshape(shape).astype(np.float32),
    )


def contributions(drawn: ColourLayout, layouts: np.ndarray) -> np.ndarray:
    """The contribution of each cell to the scores of pictures [N, 8, 8, 3]: float32 [N, 8, 8].

    The score, their sum, is 0…1: the mean over the ink of exp(-ΔE / 20), where ΔE is the distance of the two
    colours of a cell in CIELAB (CIE 1976).
    """
    distance = np.linalg.norm(layouts - drawn.colours, axis=3)
    return np.asarray(drawn.weights * np.exp(-distance / SOFTNESS), np.float32)
