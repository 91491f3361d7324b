"""Fine-tuning as a task of the trainer: batches of views, a metric-learning loss, mAP on held-out images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from workbench.common.progress import Progress
from workbench.features.map_source import MapSource
from workbench.learning.finetuning.model import TrainedBlocks, mean_ap
from workbench.learning.finetuning.sampler import batches_by_class
from workbench.learning.trainer import Epoch, Task

HEAD_RATE = 10  # times the rate, for the new layer of a classifier
DECAY = 1e-4


@dataclass(frozen=True)
class Views:
    """Training images: ``maps`` of the frozen part, [n, h, w, C] for each view, and ``classes`` [n].

    A batch has ``each`` images of up to ``classes_per_batch`` classes.
    """

    maps: Sequence[np.ndarray]
    classes: np.ndarray
    classes_per_batch: int
    each: int
    seed: int

    def batches(self, epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The rows of each batch of an epoch, and the number of the view in which each row is seen."""
        seed = (self.seed, 3, epoch)
        batches = batches_by_class(self.classes, self.classes_per_batch, self.each, seed)
        rng = np.random.default_rng([self.seed, 4, epoch])
        return [(rows, rng.integers(0, len(self.maps), len(rows))) for rows in batches]


@dataclass(frozen=True)
class HeldOut:
    """Images to validate on: ``keys`` of their maps in the source ``frozen``, and ``classes`` [n]."""

    frozen: MapSource
    keys: list[str]
    classes: np.ndarray


class FinetuningTask(Task):
    """Train the last blocks, and a criterion that may have weights, by AdamW; the best mAP is published."""

    objective = "mean_ap"
    maximise = True
    validate_untrained = True

    def __init__(
        self,
        blocks: TrainedBlocks,
        criterion: torch.nn.Module,
        views: Views,
        held_out: HeldOut,
        rate: float,
        epochs: int,
        publish: Callable[[Sequence[Epoch]], None],
    ) -> None:
        self.blocks, self.criterion = blocks, criterion.to(blocks.device)
        self.views, self.held_out, self._publish = views, held_out, publish
        model = torch.nn.ModuleList([blocks.blocks, self.criterion])
        groups = [
            {"params": list(part.parameters()), "lr": rate * factor}
            for part, factor in zip(model, (1, HEAD_RATE), strict=True)
        ]
        adam = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=DECAY)
        super().__init__(model, adam, epochs)
        half = blocks.device.startswith("cuda") and blocks.precision == "float16"
        self.scaler = torch.amp.GradScaler("cuda", enabled=half)

    def rate_factor(self, epoch: int, step: int, steps: int) -> float:
        return (1 + math.cos(math.pi * (epoch - 1) / self.epochs)) / 2

    def batches(self, epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return self.views.batches(epoch)

    def loss(self, batch: tuple[np.ndarray, np.ndarray]) -> torch.Tensor:
        rows, views = batch
        maps = np.stack([self.views.maps[view][row] for row, view in zip(rows, views, strict=True)])
        vectors = self.blocks(torch.from_numpy(maps).permute(0, 3, 1, 2))
        classes = torch.from_numpy(self.views.classes[rows]).to(self.blocks.device)
        return torch.as_tensor(self.criterion(vectors, classes))

    def validate(self, progress: Progress) -> dict[str, Any]:
        """The mAP, 0…1, of the images held out; nan if a descriptor is not finite."""
        held_out, rows = self.held_out, list[int]()
        parts = []
        with torch.no_grad():
            for positions, maps in held_out.frozen.batches(held_out.keys, 0):
                progress("validating", len(rows), len(held_out.classes))
                rows += positions
                parts.append(self.blocks(maps).cpu())
        vectors = torch.cat(parts)
        if not bool(vectors.isfinite().all()):
            return {"mean_ap": math.nan}
        return {"mean_ap": mean_ap(vectors, held_out.classes[rows])}

    def publish(self, epochs: Sequence[Epoch]) -> None:
        self._publish(epochs)
