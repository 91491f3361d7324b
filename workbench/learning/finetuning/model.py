"""The blocks that are trained and the pooling on top: from maps to descriptors, and the mAP of those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workbench.config import Step
from workbench.descriptors.pooling import pool
from workbench.evaluation import protocols


@dataclass(frozen=True)
class Tuned:
    """``blocks`` on a device, in mixed precision unless ``precision`` is float32.

    Normalisation and dropout stay as in use: batches are too small to renew their statistics.
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
            out = self.blocks(maps.to(self.device, torch.float32))
        out = out.float()
        whole = np.array([[0, 0, out.shape[3], out.shape[2]]])
        return torch.nn.functional.normalize(pool(out, whole, self.pooling)[:, 0], dim=1)

    def channels(self, views: np.ndarray) -> int:
        """How many numbers a descriptor has, by a view [n, h, w, C] of the frozen part."""
        with torch.no_grad():
            return self(torch.from_numpy(views[:1].copy()).permute(0, 3, 1, 2)).shape[1]


def mean_ap(vectors: torch.Tensor, classes: np.ndarray) -> float:
    """mAP, 0…1, of unit vectors [n, D], each asking for the others of its class (protocol ``labels``)."""
    order = torch.argsort(vectors @ vectors.T, dim=1, descending=True, stable=True)
    alike = classes[:, None] == classes
    np.fill_diagonal(alike, False)
    truth = [{"self": row, "positive": np.flatnonzero(others)} for row, others in enumerate(alike)]
    return protocols.evaluate(order.cpu().numpy(), truth, "labels").mean_ap
