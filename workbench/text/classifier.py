"""Class probabilities of images and of their regions, by the classifier of the embedded backbone.

The classifier is linear, and the map it is applied to is averaged over cells, so that the logits of a region
are the mean of those of its cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from workbench.descriptors.pooling import pool
from workbench.descriptors.regions import rmac
from workbench.features.backbones import BackboneSpec
from workbench.features.models import load_backbone

BACKBONE = "efficientnet_lite0"
_LEVEL = 3  # of R-MAC, whose regions are classified beside the whole image
_WHOLE = 2 / 3  # the weight of the whole image, chosen on benchmarks/text_tuning_queries.csv


@dataclass(frozen=True)
class Classifier:
    """The last layer: ``weight`` [K, C] and ``bias`` [K], both with mean zero over the classes.

    A constant in all logits does not change probabilities. A logit is relative to the mean class.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Logits [..., K] of mean features [..., C]."""
        return features @ self.weight.T + self.bias

    def cells(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits [B, H, W, K] of the cells of maps [B, C, H, W]."""
        return self(maps.float().permute(0, 2, 3, 1))


@lru_cache(maxsize=1)
def load_classifier() -> Classifier:
    """The classifier of the embedded backbone, with its 1,000 classes of ImageNet."""
    layer = load_backbone(BackboneSpec.parse(BACKBONE), None, None, 0).classifier
    weight, bias = layer.weight.detach().float(), layer.bias.detach().float()
    return Classifier(weight - weight.mean(0), bias - bias.mean())


def views(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The regions of a map that are classified, boxes [R, 4] in cells, and their weights [R], which sum to 1.

    The first is the whole map; the others are R-MAC's regions of level 3, which contain smaller things.
    """
    regions = rmac(height, width, _LEVEL)[len(rmac(height, width, _LEVEL - 1)) :]
    boxes = np.concatenate([[[0, 0, width, height]], regions])
    weights = np.full(len(boxes), (1 - _WHOLE) / len(regions), np.float32)
    weights[0] = _WHOLE
    return boxes, weights


def region_probabilities(maps: torch.Tensor, boxes: np.ndarray, classifier: Classifier) -> torch.Tensor:
    """Class probabilities [B, R, K] of regions [R, 4], in cells, of maps [B, C, H, W]."""
    with torch.inference_mode():
        return classifier(pool(maps.float(), boxes, "mean")).softmax(2)


def image_probabilities(maps: torch.Tensor, classifier: Classifier) -> torch.Tensor:
    """Class probabilities [B, K] of maps [B, C, H, W]: the weighted mean over the ``views``."""
    boxes, weights = views(*maps.shape[2:])
    return torch.from_numpy(weights) @ region_probabilities(maps, boxes, classifier)
