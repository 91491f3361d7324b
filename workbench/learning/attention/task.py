"""Regional attention as a task of the trainer: its losses, and its retrieval on held-out photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from workbench.common.progress import Progress
from workbench.descriptors.attention import Attention
from workbench.learning.attention.data import TrainingData, TrainingPictures
from workbench.learning.attention.region_pool import RegionBatch
from workbench.learning.checkpoints import Tensors
from workbench.learning.trainer import Task, sequential_sum, warmup_then_linear

if TYPE_CHECKING:
    from workbench.learning.attention.train import AttentionSettings

HIDDEN = 64
HELD_OUT = 0.1  # of the photos, with the composites that show them
SHARPENING = 3.0  # factor of the logits of the clean photo, as targets
DROPPED = 0.5  # of the channels of regions and images, in each step
TEMPERATURE = 0.05  # of similarities, in the loss of retrieval
Parameters = Mapping[str, torch.Tensor] | torch.nn.ParameterDict


class AttentionTask(Task):
    """Attention to be trained on pictures for retrieval, or for the frozen classifier.

    For the targets ``photos``, the loss is the cross entropy of retrieving, among the photos of a batch, the
    photo that a composite shows, and the reverse (InfoNCE; van den Oord, Li and Vinyals 2018). For the other
    targets it is the classifier's, of composites and photos. Each is added to ``fidelity`` × the mean of
    1 − cosine between descriptors of the batch's clean photos with attention and with even weights.
    """

    objective = "mean_ap"
    maximise = True
    return_best = True

    def __init__(self, data: TrainingData, pictures: TrainingPictures, settings: AttentionSettings) -> None:
        self.classifier, self.settings = data.classifier, settings
        self.regions, self.shown, self.targets = pictures.regions, pictures.shown, pictures.targets
        self.seed, self.photos = data.source.options.seed, len(data.photos)
        if settings.targets == "labels":
            self.classes = data.classes()
        elif self.classifier is not None:
            self.classes = torch.softmax(SHARPENING * self.classifier(self.regions.images[: self.photos]), 1)
        photos = np.unique(self.shown[self.photos :])
        photos = np.random.default_rng([self.seed, 1]).permutation(photos)
        is_held_out = np.isin(self.shown, photos[: max(1, round(HELD_OUT * len(photos)))])
        is_composite = np.arange(len(self.shown)) >= self.photos
        self.training = np.flatnonzero(
            ~is_held_out & (is_composite if settings.targets == "photos" else True)
        )
        self.held_out = np.flatnonzero(is_held_out & is_composite)
        self.parameters = torch.nn.ParameterDict(initial_parameters(self.regions.images.shape[1], self.seed))
        adam = torch.optim.Adam(self.parameters.parameters(), settings.rate, weight_decay=settings.decay)
        super().__init__(self.parameters, adam, settings.epochs)
        self.patience = settings.patience

    def batches(self, epoch: int) -> list[np.ndarray]:
        return self._split(np.random.default_rng([self.seed, epoch]).permutation(self.training))

    def rate_factor(self, epoch: int, step: int, steps: int) -> float:
        return warmup_then_linear(step, steps)

    def loss(self, batch: np.ndarray) -> torch.Tensor:
        """The loss with a random half of the channels, drawn by the batch, so that a resumed training draws
        the same."""
        drawn = np.random.default_rng([self.seed, 2, *batch]).random(2 * self.regions.images.shape[1])
        kept = torch.from_numpy(drawn >= DROPPED).float() / (1 - DROPPED)
        return self._loss(batch, {**self.parameters, "hidden": self.parameters["hidden"] * kept})

    def _loss(self, batch: np.ndarray, parameters: Parameters) -> torch.Tensor:
        regions = self.regions.batch(batch)
        weights = weigh(parameters, regions, self.settings.area)
        shown = self.shown[batch]
        if self.settings.targets == "photos":
            clean = self.regions.batch(shown)
            clean_weights = weigh(parameters, clean, self.settings.area)
            loss = retrieval_loss(describe(weights, regions), describe(clean_weights, clean), shown)
        else:
            assert self.classifier is not None
            loss = cross_entropy(self.classifier(attend(weights, regions)), self.classes[shown])
            photos = batch[batch < self.photos]
            if not len(photos):
                return loss
            clean = self.regions.batch(photos)
            clean_weights = weigh(parameters, clean, self.settings.area)
        even = describe(torch.ones_like(clean_weights), clean)
        change = 1 - (describe(clean_weights, clean) * even).sum(1)
        return loss + self.settings.fidelity * change.mean()

    def mean_loss(self, losses: Any, batches: Any) -> float:
        """The mean over pictures, for the last batch is smaller."""
        sizes = [len(batch) for batch in batches]
        return sequential_sum(np.multiply(losses, sizes).tolist()) / sum(sizes)

    def validate(self, progress: Progress) -> dict[str, Any]:
        """The mAP of held-out composites as queries for the photo they show, among all photos, the mean share
        of their weights on the target, and the loss."""
        with torch.no_grad():
            photos = torch.cat([self._describe(rows) for rows in self._split(np.arange(self.photos))])
            batches = self._split(self.held_out)
            precisions, shares = [], []
            for batch in batches:
                regions = self.regions.batch(batch)
                weights = self._weigh(regions)
                similarities = describe(weights, regions) @ photos.T
                own = similarities[torch.arange(len(batch)), self.shown[batch]]
                precisions += (1 / (similarities >= own[:, None]).sum(1)).tolist()
                shares += share_on_target(
                    weights, regions, torch.from_numpy(self.targets[batch - self.photos]).float()
                ).tolist()
            losses = [float(self._loss(batch, self.parameters)) for batch in batches]
        return {
            "mean_ap": sequential_sum(precisions) / len(precisions),
            "on_target": sequential_sum(shares) / len(shares),
            "validation": self.mean_loss(losses, batches),
        }

    def _describe(self, rows: np.ndarray) -> torch.Tensor:
        regions = self.regions.batch(rows)
        return describe(self._weigh(regions), regions)

    def _weigh(self, regions: RegionBatch) -> torch.Tensor:
        return weigh(self.parameters, regions, self.settings.area, self.settings.centre)

    def _split(self, rows: np.ndarray) -> list[np.ndarray]:
        return [
            rows[start : start + self.settings.batch] for start in range(0, len(rows), self.settings.batch)
        ]


def weigh(parameters: Parameters, batch: RegionBatch, area: bool, centre: float = 0.0) -> torch.Tensor:
    """The weights [R] of a batch's regions, times their areas, times a power of the centre prior."""
    attention = Attention.of(dict(parameters.items()))
    weights = attention(batch.means, batch.images, batch.places, batch.owner)
    return weights * (batch.areas if area else 1) * batch.centre**centre


def attend(weights: torch.Tensor, batch: RegionBatch) -> torch.Tensor:
    """The mean [B, C] of each picture's max-pooled regions times their weights, which are not normalised."""
    count = torch.bincount(batch.owner, minlength=len(batch.images))
    return _sums(weights[:, None] * batch.maxima, batch) / count[:, None]


def describe(weights: torch.Tensor, batch: RegionBatch) -> torch.Tensor:
    """The descriptors [B, C] of pictures: the weighted sum of normalised regions, normalised."""
    return normalize(_sums(weights[:, None] * normalize(batch.maxima, dim=1), batch), dim=1)


def retrieval_loss(composites: torch.Tensor, photos: torch.Tensor, shown: np.ndarray) -> torch.Tensor:
    """InfoNCE of descriptors [B, D] of composites and of the photos ``shown``, in both directions.

    Composites of the same photo do not count as each other's negatives.
    """
    same = torch.from_numpy(shown[:, None] == shown[None])
    others_of_the_photo = same & ~torch.eye(len(shown), dtype=torch.bool)
    similarities = (composites @ photos.T / TEMPERATURE).masked_fill(others_of_the_photo, -torch.inf)
    own = torch.arange(len(shown))
    return (cross_entropy(similarities, own) + cross_entropy(similarities.T, own)) / 2


def share_on_target(weights: torch.Tensor, batch: RegionBatch, targets: torch.Tensor) -> torch.Tensor:
    """The share [B] of each picture's weights on its target, whose box [B, 4] is in shares of the sides."""
    centre, side = (batch.places[:, :2] + 1) / 2, (batch.places[:, 2:] + 1) / 2
    box = targets[batch.owner]
    overlap = torch.minimum(centre + side / 2, box[:, 2:]) - torch.maximum(centre - side / 2, box[:, :2])
    inside = overlap.clamp(min=0).prod(1) / side.prod(1)
    total = torch.zeros(len(batch.images)).index_add(0, batch.owner, weights)
    return torch.zeros_like(total).index_add(0, batch.owner, weights * inside) / total


def initial_parameters(channels: int, seed: int) -> Tensors:
    """Random parameters of attention, uniform within ± 1/√(inputs of the layer)."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, width: int) -> torch.Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) / width**0.5

    return {
        "hidden": uniform(HIDDEN, 2 * channels, width=2 * channels),
        "hidden_bias": uniform(HIDDEN, width=2 * channels),
        "output": uniform(HIDDEN, width=HIDDEN),
        "output_bias": torch.zeros(()),
        "place": uniform(HIDDEN, 4, width=4),
    }


def _sums(regions: torch.Tensor, batch: RegionBatch) -> torch.Tensor:
    """The sum [B, C] of each picture's regions [R, C]."""
    return torch.zeros_like(batch.images).index_add(0, batch.owner, regions)
