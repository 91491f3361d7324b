"""The local features of a collection's pictures, read from their store by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from workbench.local.cells import CellFeatures
from workbench.local.features import FeatureSource, LocalFeatures

NO_FEATURES = LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), (1, 1))
SAMPLE = 20  # pictures whose features are averaged for ``bytes``


@dataclass(frozen=True)
class Keypoints:
    """The local features of a described collection's pictures, by row. The last ones read stay in memory.

    ``verifying``: other features of the same pictures by which results are verified, those of cells, which
    have no exact place.
    """

    source: FeatureSource
    keys: list[str]
    verifying: Keypoints | None = None

    def of(self, row: int) -> LocalFeatures:
        """The features of a picture; empty if the row does not exist or the picture could not be read."""
        key = self.keys[row] if row < len(self.keys) else ""
        features = _features(self.source, key) if key in self.source else NO_FEATURES
        return self._with_keypoints(features, lambda keypoints: keypoints.of(row))

    def computed(self, compute: Callable[[FeatureSource], LocalFeatures]) -> LocalFeatures:
        """The features that ``compute`` gives of a picture by a source, with those that verify it."""
        return self._with_keypoints(compute(self.source), lambda keypoints: compute(keypoints.source))

    def _with_keypoints(
        self, features: LocalFeatures, of: Callable[[Keypoints], LocalFeatures]
    ) -> LocalFeatures:
        if self.verifying is None or not isinstance(features, CellFeatures):
            return features
        return replace(features, keypoints=of(self.verifying))

    def stored(self, count: int) -> Iterator[tuple[int, LocalFeatures]]:
        """Yield (row, features) of those of the first ``count`` pictures that could be read."""
        rows = [row for row in range(count) if self.keys[row] in self.source]
        for position, features in self.source.read([self.keys[row] for row in rows]):
            yield rows[position], features

    @property
    def bytes(self) -> float:
        """The mean size of a picture's features, over the first 20 pictures."""
        sample = [self.of(row) for row in range(min(SAMPLE, len(self.keys)))]
        return sum(features.points.nbytes + features.stored.nbytes for features in sample) / max(
            1, len(sample)
        )


@lru_cache(maxsize=1024)
def _features(source: FeatureSource, key: str) -> LocalFeatures:
    _, features = next(source.read([key]))
    if isinstance(features, CellFeatures):  # which are no part of a file
        return features
    return LocalFeatures(features.points.copy(), features.stored.copy(), features.size)
