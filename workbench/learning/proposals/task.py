"""Region proposals as a task of the trainer: Faster R-CNN's losses, recall on held-out scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.descriptors.rpn import Detector, Target
from workbench.evaluation.detection import recall
from workbench.features.device import keep_freed_memory
from workbench.features.map_source import MapSource, Picture
from workbench.learning.proposals.scenes import Scene
from workbench.learning.trainer import Task, warmup_then_linear

DECAY = 1e-4
FIRST = 20  # proposals whose recall is measured
SHOWN, BOXES = 3, 8  # held-out scenes stored with the weights, and boxes of each that an epoch stores


class SceneMaps(NamedTuple):
    """Maps of scenes in a ``source``, by their ``keys``; ``shapes`` (height, width) of the maps in cells.

    ``boxes``: for each scene [n, 4] as shares of its width and height.
    """

    source: MapSource
    keys: list[str]
    boxes: list[np.ndarray]
    shapes: list[tuple[int, int]]

    @classmethod
    def extract(cls, source: MapSource, scenes: Sequence[Scene], progress: Progress) -> SceneMaps:
        """Compute the maps that the source's store lacks. Raises WorkbenchError if a file is damaged."""
        keys, unreadable = source.extract([Picture(scene.path) for scene in scenes], 1, progress)
        if unreadable:
            why = next(iter(unreadable.values()))
            raise WorkbenchError(f"a scene cannot be read back: {why}; run it again")
        shapes: list[tuple[int, int]] = [(0, 0)] * len(scenes)
        for rows, maps in source.batches(keys[0], 0):
            for row in rows:
                shapes[row] = maps.shape[2], maps.shape[3]
        return cls(source, keys[0], [scene.boxes for scene in scenes], shapes)

    def maps(self, rows: Sequence[int]) -> torch.Tensor:
        """Maps float32 [B, C, H, W] of rows with equal shapes."""
        stacked = torch.empty(0)
        for positions, maps in self.source.batches([self.keys[row] for row in rows], 0):
            stacked = maps.new_empty((len(rows), *maps.shape[1:])) if not len(stacked) else stacked
            stacked[positions] = maps
        return stacked.float()

    def batches(self, size: int, rng: np.random.Generator) -> list[list[int]]:
        """All rows in random order, in batches of maps of one shape; the last batch of a shape is smaller."""
        by_shape: dict[tuple[int, int], list[int]] = {}
        for row in rng.permutation(len(self.keys)).tolist():
            by_shape.setdefault(self.shapes[row], []).append(row)
        batches = [
            rows[start : start + size] for rows in by_shape.values() for start in range(0, len(rows), size)
        ]
        return [batches[n] for n in rng.permutation(len(batches))]


class SceneBatch(NamedTuple):
    """The ``rows`` of a batch, whether they are ``mirrored``, and the number of the step of the training."""

    rows: list[int]
    mirrored: bool
    step: int


class ProposalsTask(Task):
    """A detector trained by AdamW on scenes' maps, half of the batches mirrored."""

    validate_untrained = True
    clip_norm = 10.0

    def __init__(
        self,
        training: SceneMaps,
        held_out: SceneMaps,
        stride: int,
        seed: int,
        *,
        epochs: int,
        batch: int,
        rate: float,
        width: int,
        hidden: int,
    ) -> None:
        self.training, self.held_out, self.seed, self.batch = training, held_out, seed, batch
        keep_freed_memory()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.detector = Detector(training.maps([0]).shape[1], stride, width, hidden)
        adam = torch.optim.AdamW(self.detector.parameters(), rate, weight_decay=DECAY)
        super().__init__(self.detector, adam, epochs)

    @property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self.epochs * len(self.training.batches(self.batch, np.random.default_rng(0)))

    def batches(self, epoch: int) -> list[SceneBatch]:
        rng = np.random.default_rng([self.seed, 1, epoch - 1])
        batches = self.training.batches(self.batch, rng)
        first = (epoch - 1) * len(batches)
        return [SceneBatch(rows, rng.random() < 0.5, step) for step, rows in enumerate(batches, first)]

    def rate_factor(self, epoch: int, step: int, steps: int) -> float:
        return warmup_then_linear(step, steps)

    def loss(self, batch: SceneBatch) -> torch.Tensor:
        """The sum of Faster R-CNN's losses."""
        self.detector.train()
        maps, targets = self._targets(batch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed * 1_000_003 + batch.step)  # torchvision samples boxes to train on
            return sum(self.detector.losses(maps, targets).values(), torch.zeros(()))

    def validate(self, progress: Progress) -> dict[str, Any]:
        """Recall, 0…1, of objects that one of 20 proposals overlaps by half; ``refined`` by the head.

        ``boxes``: the surest proposals of the shown scenes, each x0, y0, x1, y1 as shares and its objectness.
        """
        self.detector.eval()
        proposed, refined, boxes = [], [], []
        for row, (height, width) in enumerate(self.held_out.shapes):
            progress("validating", row, len(self.held_out.keys))
            maps = self.held_out.maps([row])
            proposals = self.detector.propose(maps)
            first = proposals.boxes[:FIRST]
            sides = np.array([width, height, width, height], float)
            proposed.append(first.numpy() / sides)
            refined.append(self.detector.refine(maps, first).boxes.numpy() / sides)
            if row < SHOWN:
                scored = np.column_stack([proposed[-1], proposals.scores[:FIRST].numpy()])[:BOXES]
                boxes.append(scored.astype(float).round(3).tolist())
        before, after = (float(recall(part, self.held_out.boxes, [FIRST])[0]) for part in (proposed, refined))
        return {"recall": before, "refined": after, "boxes": boxes}

    def _targets(self, batch: SceneBatch) -> tuple[torch.Tensor, list[Target]]:
        """The maps of a batch, and the boxes of each in pixels."""
        maps = self.training.maps(batch.rows)
        height, width = (side * self.detector.stride for side in maps.shape[2:])
        targets = []
        for row in batch.rows:
            boxes = self.training.boxes[row]
            if batch.mirrored:
                boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], 1)
            pixels = torch.from_numpy(boxes * [width, height, width, height]).float()
            targets.append({"boxes": pixels, "labels": torch.ones(len(boxes), dtype=torch.int64)})
        return (maps.flip(3) if batch.mirrored else maps), targets
