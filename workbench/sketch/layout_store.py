"""The colour layouts of images, stored by the contents of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.features import batches, extraction
from workbench.features.store import DamagedFiles, Store
from workbench.sketch.colour_layout import CELLS, PIXELS, VERSION, cell_colours

_TOGETHER = 64  # images in a file


class LayoutStore(Store):
    """The colour layouts of images, float32 [B, 8, 8, 3] in each file."""

    def __init__(self, cache: Path) -> None:
        super().__init__(cache / "edges" / f"colours-{CELLS}-v{VERSION}")

    def _fits(self, file: Any, count: int) -> bool:
        return file.get_slice("layouts").get_shape() == [count, CELLS, CELLS, 3]

    def __call__(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack([cell_colours(picture) for picture in pictures]))

    def together(self, size: tuple[int, int]) -> int:
        return _TOGETHER

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        self._write(keys, {"layouts": torch.cat(list(made))} if made else {}, unreadable)

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """The layouts [N, 8, 8, 3] of keys. Raises DamagedFiles where files are missing or damaged."""
        layouts = np.empty((len(keys), CELLS, CELLS, 3), np.float32)
        for positions, rows, tensors in self._by_file(keys, "colour layouts"):
            layouts[positions] = tensors["layouts"][rows].numpy()
        return layouts


def colour_layouts(store: LayoutStore, paths: Mapping[str, Path], progress: Progress = silent) -> np.ndarray:
    """The colour layouts [N, 8, 8, 3] of images, {key: file}; missing ones are computed and stored.

    Raises WorkbenchError if an image cannot be read.
    """
    items = [batches.Item(key, path, None, (PIXELS, PIXELS)) for key, path in paths.items()]
    for last in (False, True):
        task = "reading the colours of images"
        unreadable = extraction.fill_store(items, store, lambda: store, progress, task, together=_TOGETHER)
        readable = [key for key in paths if key not in unreadable]
        try:
            layouts = np.full((len(paths), CELLS, CELLS, 3), np.nan, np.float32)
            layouts[[key not in unreadable for key in paths]] = store.read(readable)
            return layouts
        except DamagedFiles:
            if last:
                raise
    raise AssertionError
