"""Losses of fine-tuning: contrastive and triplet on hard negatives, or a classifier's cross entropy."""

from __future__ import annotations

from typing import Literal

import torch

Name = Literal["contrastive", "triplet", "classification"]
NAMES: tuple[Name, ...] = ("contrastive", "triplet", "classification")
CONTRASTIVE_MARGIN = 0.7  # distance of unit vectors; Radenović et al. (2018) found 0.75 for VGG
TRIPLET_MARGIN = 0.1
SCALE = 16.0  # of the cosines, before the softmax


class Contrastive(torch.nn.Module):
    """Contrastive loss of all matches and of each vector's hardest mismatch (Hadsell et al. 2006).

    Called with unit vectors [B, C] and classes [B], as the other losses here.
    """

    def __init__(self) -> None:
        from pytorch_metric_learning import losses, miners  # takes a second to import

        super().__init__()
        self.miner = miners.BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard")
        self.loss = losses.ContrastiveLoss(pos_margin=0, neg_margin=CONTRASTIVE_MARGIN)

    def forward(self, vectors: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.loss(vectors, classes, self.miner(vectors, classes)))


class Triplet(torch.nn.Module):
    """Triplet loss (Schroff et al. 2015) of the triplets that violate the margin."""

    def __init__(self) -> None:
        from pytorch_metric_learning import losses, miners  # takes a second to import

        super().__init__()
        self.miner = miners.TripletMarginMiner(TRIPLET_MARGIN, type_of_triplets="all")
        self.loss = losses.TripletMarginLoss(TRIPLET_MARGIN)

    def forward(self, vectors: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.loss(vectors, classes, self.miner(vectors, classes)))


class Classification(torch.nn.Module):
    """Cross entropy of a linear classifier of the training labels, as in Neural Codes (Babenko et al. 2014).

    Its input is scaled unit vectors, because search compares cosines.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(channels, classes)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, vectors: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.head(SCALE * vectors), classes)


def loss(name: Name, channels: int, classes: int) -> torch.nn.Module:
    """The loss of a name, for vectors of ``channels`` dimensions and a number of ``classes``."""
    if name == "classification":
        return Classification(channels, classes)
    return Contrastive() if name == "contrastive" else Triplet()
