"""The global descriptor by which deep local features are trained: the weighted sum of whitened cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from workbench.descriptors.whitening import MAX_VECTORS, Whitening
from workbench.local.cells import attention, smooth, strongest_cells

DIMENSIONS = 128  # of a whitened cell, as published
_BATCH = 16  # views through the blocks at a time


class WeightedCells(torch.nn.Module):
    """Maps [B, C, H, W] to the sums of their whitened cells, each times its attention: [B, D, 1, 1].

    With w the norm of a cell's activation u, ū the mean of the 3×3 activations around it, and P and m those
    of the whitening, the sum over cells of w · P (ū − m) (Tolias, Jenicek and Chum, ECCV 2020, section 3). As
    P is linear, it is applied to the sum. L2 normalisation follows. With ``trained`` P is a parameter, else
    it is constant and gradients reach the map only, as in the paper; m is constant.
    """

    mean: torch.Tensor
    projection: torch.Tensor

    def __init__(self, whitening: Whitening, trained: bool) -> None:
        super().__init__()
        self.register_buffer("mean", whitening.mean.clone())
        projection = whitening.projection.clone()
        if trained:
            self.projection = torch.nn.Parameter(projection)
        else:
            self.register_buffer("projection", projection)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        weights = attention(maps)
        total = torch.einsum("bhw,bchw->bc", weights, smooth(maps))
        centred = total - weights.sum((1, 2))[:, None] * self.mean
        return (centred @ self.projection.T)[:, :, None, None]


def with_cells(blocks: torch.nn.Sequential, views: Sequence[np.ndarray]) -> torch.nn.Sequential:
    """Blocks followed by ``WeightedCells``, whose whitening is that of the cells of the blocks' own maps.

    ``views`` are the maps [n, h, w, C] of the pictures in each view, which the blocks are given.
    """
    maps = views[0]
    with torch.no_grad():
        first = blocks(_batch(maps[:1]))
        most = max(1, MAX_VECTORS // first[0, 0].numel())
        vectors = [
            torch.from_numpy(strongest_cells([cells], None, 1).descriptors)
            for start in range(0, min(len(maps), most), _BATCH)
            for cells in blocks(_batch(maps[start : start + _BATCH])).split(1)
        ]
    whitening = Whitening.fit(torch.cat(vectors), DIMENSIONS, "pcaw")
    return torch.nn.Sequential(*blocks, WeightedCells(whitening, trained=False))


def _batch(maps: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(maps.copy()).permute(0, 3, 1, 2).float()
