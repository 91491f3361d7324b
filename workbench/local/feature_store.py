"""Stored local features, and their extraction into a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.features.store import Store
from workbench.local.describers import Describe
from workbench.local.features import LocalFeatures

_BATCH_IMAGES = 4  # images extracted between two checks for cancellation


class FeatureStore(Store):
    """Stored local features of one kind at one image size, with descriptors of so many ``dimensions``."""

    def __init__(self, folder: Path, dimensions: int = 128, write_only: bool = False) -> None:
        self.dimensions = dimensions
        super().__init__(folder, write_only)

    def _fits(self, file: Any, count: int) -> bool:
        shapes = {
            name: file.get_slice(name).get_shape() for name in ("points", "descriptors", "counts", "sizes")
        }
        total = int(file.get_tensor("counts").sum())
        return shapes == {
            "points": [total, 4],
            "descriptors": [total, self.dimensions],
            "counts": [count],
            "sizes": [count, 2],
        }

    def write(
        self, keys: Sequence[str], features: Sequence[LocalFeatures], unreadable: dict[str, str]
    ) -> None:
        """Store the features of a batch of images atomically."""
        tensors = {}
        if features:
            tensors = {
                "points": torch.from_numpy(np.concatenate([image.points for image in features])),
                "descriptors": torch.from_numpy(np.concatenate([image.stored for image in features])),
                "counts": torch.tensor([len(image) for image in features]),
                "sizes": torch.tensor([image.size for image in features]),
            }
        self._write(keys, tensors, unreadable)

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, LocalFeatures]]:
        """Yield (position in ``keys``, features), a file at a time."""
        for positions, rows, tensors in self._by_file(keys, "local features"):
            ends = tensors["counts"].cumsum(0).tolist()
            points, stored = tensors["points"].numpy(), tensors["descriptors"].numpy()
            for position, row in zip(positions, rows, strict=True):
                part = slice(ends[row - 1] if row else 0, ends[row])
                width, height = tensors["sizes"][row].tolist()
                yield position, LocalFeatures(points[part], stored[part], (width, height))


@dataclass(frozen=True)
class FeatureExtractor:
    """Extracts the features of images and stores them."""

    describe: Describe
    store: FeatureStore

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[LocalFeatures]:
        return [extract(picture, self.describe) for picture in pictures]

    def together(self, size: tuple[int, int]) -> int:
        return _BATCH_IMAGES

    def keep(self, keys: Sequence[str], parts: Sequence[Any], unreadable: dict[str, str]) -> None:
        self.store.write(keys, [features for part in parts for features in part], unreadable)


def extract(picture: np.ndarray, describe: Describe) -> LocalFeatures:
    """Extract the features of an RGB image uint8 [h, w, 3]."""
    points, stored = describe(picture)
    return LocalFeatures(points, stored, (picture.shape[1], picture.shape[0]))
