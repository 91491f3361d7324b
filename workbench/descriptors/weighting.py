"""Weights of the cells of a map: SPoC's centre prior and the norm of each cell."""

from __future__ import annotations

import numpy as np
import torch

from workbench.config.config import Config
from workbench.descriptors.pooling import pool


def centre_prior(height: int, width: int) -> torch.Tensor:
    """SPoC's Gaussian [H, W] about the map's centre (Babenko and Lempitsky, ICCV 2015, section 3.2).

    σ is a third of the distance from the centre to the nearest border; distances are measured between
    centres of cells, so the prior is symmetric.
    """
    sigma = min(height, width) / 2 / 3
    y = torch.arange(height) + 0.5 - height / 2
    x = torch.arange(width) + 0.5 - width / 2
    return torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2))


def cell_weights(maps: torch.Tensor, config: Config) -> torch.Tensor | None:
    """Return the weight of each cell, [B or 1, 1, H, W], constant under differentiation; None if uniform.

    The weights of several weightings are multiplied. Attention, which weights regions, is left out.
    """
    weights: torch.Tensor | None = None
    for step in config.weightings:
        if step.name == "attention":
            continue
        if step.name == "centre":
            cells = centre_prior(*maps.shape[2:])[None, None].to(maps)
        else:
            cells = maps.detach().square().sum(1, keepdim=True).sqrt()
        weights = cells if weights is None else weights * cells
    return weights


def region_weights(weights: torch.Tensor, regions: np.ndarray) -> torch.Tensor:
    """Return weights of regions [B, N, 1]: the mean weight of the cells in each."""
    return pool(weights if regions.ndim == 2 else weights.expand(len(regions), -1, -1, -1), regions, "mean")
