"""Class probabilities of a collection's images, computed once from their stored maps, and stored."""

from __future__ import annotations

import threading

import numpy as np
import torch

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.collection_maps import CollectionMaps
from workbench.engine.description_cache import DescriptionCache
from workbench.engine.locks import NamedLocks
from workbench.features.store import DamagedFiles, Store
from workbench.text.classifier import BACKBONE, image_probabilities, load_classifier

MAPS = Config.parse(f"{BACKBONE}/mean/whole")
VERSION = 1  # increased when the same maps give other probabilities
_BATCH = 256  # images of a file


class ProbabilityStore(Store):
    """Class probabilities float32 [B, K] of images, named by the keys of their maps."""

    def _fits(self, file: object, count: int) -> bool:
        shape = file.get_slice("probabilities").get_shape()  # type: ignore[attr-defined]
        return len(shape) == 2 and shape[0] == count

    def write(self, keys: list[str], probabilities: torch.Tensor) -> None:
        """Store a batch atomically. Raises WorkbenchError if the disk is full."""
        self._write(keys, {"probabilities": probabilities.contiguous()}, {})

    def read(self, keys: list[str]) -> np.ndarray:
        """The probabilities float32 [N, K]. Raises DamagedFiles."""
        rows: np.ndarray | None = None
        for positions, places, tensors in self._by_file(keys, "class probabilities"):
            stored = tensors["probabilities"].float().numpy()
            if rows is None:
                rows = np.empty((len(keys), stored.shape[1]), np.float32)
            rows[positions] = stored[places]
        assert rows is not None
        return rows


class ClassProbabilities:
    """The class probabilities of one collection, kept in memory until a file changes.

    Safe to use from several threads.
    """

    def __init__(self, descriptions: DescriptionCache) -> None:
        self._descriptions = descriptions
        self._current: tuple[CollectionMaps, np.ndarray] | None = None
        self._work_locks = NamedLocks()
        self._guard = threading.Lock()  # of the current result; held briefly

    def of(self, progress: Progress) -> tuple[CollectionMaps, np.ndarray]:
        """The maps of the images, and their class probabilities float32 [N, K] in the same order."""
        with self._work_locks("class probabilities", progress):
            with self._guard:
                current = self._current
            collection = self._descriptions.collection
            if current is None or current[0].collection is not collection or not current[0].fresh():
                maps = self._descriptions.maps(MAPS, progress)
                current = maps, _stored_probabilities(maps, progress)
                with self._guard:
                    self._current = current
            return current


def _stored_probabilities(maps: CollectionMaps, progress: Progress) -> np.ndarray:
    folder = f"{maps.source.store(1.0).folder.name}-v{VERSION}"
    store = ProbabilityStore(maps.source.options.cache / "classes" / folder)
    while True:
        missing = [key for key in dict.fromkeys(maps.keys) if key not in store]
        _compute(missing, maps, store, progress)
        try:
            return store.read(maps.keys)
        except DamagedFiles:  # removed, so that they are computed again
            continue


def _compute(keys: list[str], maps: CollectionMaps, store: ProbabilityStore, progress: Progress) -> None:
    """Store the probabilities of images by the keys of their maps, a file for each 256 of them."""
    classifier = load_classifier() if keys else None
    for start in range(0, len(keys), _BATCH):
        progress("classifying images", start, len(keys))
        batch = keys[start : start + _BATCH]
        rows: dict[int, torch.Tensor] = {}
        for positions, stored in maps.source.batches(batch, 0):
            assert classifier is not None
            rows.update(zip(positions, image_probabilities(stored, classifier), strict=True))
        store.write(batch, torch.stack([rows[position] for position in range(len(batch))]))
    store.refresh()
