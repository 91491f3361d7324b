"""The stored feature maps of one network at one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from workbench.features.store import Store


class MapStore(Store):
    """The maps of one network at one size, stored as float16 [B, H, W, C] (channels last)."""

    def _fits(self, file: Any, count: int) -> bool:
        shape = file.get_slice("maps").get_shape()
        return len(shape) == 4 and shape[0] == count

    def write(self, keys: Sequence[str], maps: torch.Tensor | None, unreadable: dict[str, str]) -> None:
        """Store a batch of maps [B, H, W, C] atomically. Raises WorkbenchError if the disk is full."""
        tensors = {} if maps is None else {"maps": maps.to(torch.float16).contiguous()}
        self._write(keys, tensors, unreadable)

    def batches(self, keys: Sequence[str]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield (positions in ``keys``, maps [B, H, W, C] in float16) for each file.

        The maps are memory-mapped, so that only the parts that are used are read.
        """
        for positions, rows, tensors in self._by_file(keys, "maps"):
            maps = tensors["maps"]
            yield positions, maps if rows == list(range(len(maps))) else maps[rows]
