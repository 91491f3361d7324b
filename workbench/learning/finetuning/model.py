"""The trained blocks and the pooling: from maps of the frozen part to descriptors, and their mAP."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workbench.config.steps import Step
from workbench.descriptors.pooling import pool
from workbench.evaluation import protocols


@dataclass(frozen=True)
class TrainedBlocks:
    """``blocks`` on a device, in mixed precision unless ``precision`` is float32.

    Normalisation and dropout stay in evaluation mode: batches are too small to update the statistics.
    """

    blocks: torch.nn.Sequential
    pooling: Step
    device: str
    precision: str

    def __post_init__(self) -> None:
        self.blocks.eval().requires_grad_(True).to(self.device)

    def __call__(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of the frozen part [B, C, h, w] to unit descriptors [B, D]."""
        dtype = getattr(torch, self.precision)
        with torch.autocast(torch.device(self.device).type, dtype, enabled=self.precision != "float32"):
            maps = self.blocks(maps.to(self.device, torch.float32))
        maps = maps.float()
        whole = np.array([[0, 0, maps.shape[3], maps.shape[2]]])
        return torch.nn.functional.normalize(pool(maps, whole, self.pooling)[:, 0], dim=1)

    def channels(self, views: np.ndarray) -> int:
        """The dimension of the descriptors, measured on a view [n, h, w, C] of the frozen part."""
        with torch.no_grad():
            return self(torch.from_numpy(views[:1].copy()).permute(0, 3, 1, 2)).shape[1]


def mean_ap(vectors: torch.Tensor, classes: np.ndarray) -> float:
    """mAP, 0…1, of unit vectors [n, D], each a query for the others of its class (protocol ``labels``)."""
    scores, order = torch.sort(vectors @ vectors.T, dim=1, descending=True, stable=True)
    positive = classes[:, None] == classes
    np.fill_diagonal(positive, False)
    truth = [{"self": row, "positive": np.flatnonzero(others)} for row, others in enumerate(positive)]
    return protocols.evaluate(order.cpu().numpy(), truth, "labels", scores.cpu().numpy()).mean_ap
