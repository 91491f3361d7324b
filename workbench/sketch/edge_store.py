"""The contour pictures of images: PNG files in the cache, named by the contents of the images.

They are made once, as a job that may be cancelled, killed and continued, and that processes share: a picture
is written atomically, and one process at a time makes those that are missing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.collections import contents
from workbench.common.files import replace_file
from workbench.common.picture_bytes import png
from workbench.common.progress import Cancelled, Progress, silent
from workbench.features import batches, extraction
from workbench.features.store import Store
from workbench.sketch.contours import LONGEST
from workbench.sketch.operators import EdgeOperator

_CELL = 16  # pixels: a side of a picture has at least two cells, as for HED's last block


class EdgeStore(Store):
    """The contour pictures made by one operator, by key."""

    def __init__(self, cache: Path, operator: EdgeOperator) -> None:
        self.operator = operator
        super().__init__(cache.expanduser().resolve() / "edges" / operator.folder)

    def refresh(self) -> None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._seen = {entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".png")}

    def __contains__(self, key: str) -> bool:
        return name_of(key) in self._seen or key in self._unreadable

    def missing(self, keys: Sequence[str]) -> set[str]:
        return {key for key in keys if key not in self}

    def pack(self, progress: Progress = silent, order: Sequence[str] = (), *_: int) -> None:
        """Pictures remain files of their own."""
        self.refresh()

    def unreadable(self, key: str) -> str | None:
        return None if name_of(key) in self._seen else self._unreadable.get(key)

    def write(self, key: str, picture: np.ndarray) -> None:
        """Store a contour picture uint8 [H, W] atomically. Raises WorkbenchError if the disk is full."""
        replace_file(self.folder / name_of(key), png(Image.fromarray(picture)))

    def forget(self, keys: Sequence[str]) -> None:
        """Delete pictures, which the next call of ``make_edges`` makes again."""
        for key in keys:
            with contextlib.suppress(OSError):
                (self.folder / name_of(key)).unlink()
        self._unreadable = {}

    def note_unreadable(self, reasons: Mapping[str, str]) -> None:
        """Remember why images could not be decoded, until the process ends."""
        self._unreadable.update(reasons)


def name_of(key: str) -> str:
    """The file name of the contour picture of a key."""
    return f"{key}.png"


class _EdgeExtractor:
    """Makes and stores contour pictures, for ``extraction.fill_store``."""

    def __init__(self, store: EdgeStore) -> None:
        self.store, self.stopped = store, threading.Event()

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.store.operator.picture(picture, self._check) for picture in pictures]

    def together(self, size: tuple[int, int]) -> int:
        return 1

    def keep(self, keys: Sequence[str], made: Sequence[Any], unreadable: dict[str, str]) -> None:
        for key, picture in zip(keys, (picture for part in made for picture in part), strict=True):
            self.store.write(key, picture)
        self.store.note_unreadable(unreadable)

    def _check(self) -> None:
        if self.stopped.is_set():
            raise Cancelled


def make_edges(
    store: EdgeStore, paths: Mapping[str, Path], cache: Path, progress: Progress = silent
) -> dict[str, str]:
    """Make and store the contour pictures of images, {key: file}, that are missing.

    Returns {key: reason} of images that cannot be read. ``progress`` may raise Cancelled; the work stops
    within a fraction of a second, and pictures made so far are kept.
    """
    store.refresh()
    missing = [key for key in paths if key not in store]
    if not missing:
        return {key: reason for key in paths if (reason := store.unreadable(key)) is not None}
    headers, unreadable = contents.of(cache).headers([paths[key] for key in missing], progress)
    items = [
        batches.Item(key, paths[key], None, _size(headers[position].width, headers[position].height))
        for position, key in enumerate(missing)
        if position in headers
    ]
    extractor = _EdgeExtractor(store)

    def watched(task: str, done: int, total: int) -> None:
        try:
            progress(task, done, total)
        except BaseException:
            extractor.stopped.set()
            raise

    task = f"detecting the contours of images ({store.operator.title})"
    reasons = extraction.fill_store(items, store, lambda: extractor, watched, task, together=1)
    return reasons | {missing[position]: reason for position, reason in unreadable.items()}


def _size(width: int, height: int) -> tuple[int, int]:
    return batches.target_size(width, height, LONGEST, _CELL, resize="exact")
