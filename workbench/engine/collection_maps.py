"""The stored feature maps of a collection's images, for work that needs no descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from workbench.collections.collection import Collection
from workbench.config.errors import WorkbenchError
from workbench.engine.description import image_row
from workbench.features.map_source import MapSource


@dataclass(frozen=True)
class CollectionMaps:
    """Maps of one network at one scale: ``keys`` name those of the images in the store, in order.

    ``state`` is that of the collection's files when the maps were looked up.
    """

    collection: Collection
    source: MapSource
    keys: list[str]
    state: bytes

    def row(self, image_id: str) -> int:
        """The row of an image, by its id or its path. Raises WorkbenchError if it has none."""
        return image_row(self.collection, image_id)

    def of(self, row: int) -> torch.Tensor:
        """The map [1, C, H, W] of an image."""
        return next(self.source.batches([self.keys[row]], 0))[1].float()

    def fresh(self) -> bool:
        """Whether the images and the weights are still the files that were used."""
        try:
            return self.source.fresh() and self.collection.file_state() == self.state
        except WorkbenchError:
            return False
