"""One kind of local features with its store: extracted in parallel, and read by picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from workbench.collections import contents, images
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.options import Options
from workbench.features import batches, cluster, extraction
from workbench.features.backbones import BackboneCard, BackboneSpec
from workbench.features.map_source import Picture
from workbench.features.store import DamagedFiles, repair_notes
from workbench.local import describers, keypoints
from workbench.local.describers import Describe
from workbench.local.feature_store import FeatureExtractor, FeatureStore, extract
from workbench.local.features import LocalFeatures

VERSION = 2  # of this extraction: incremented when the same image yields other features
STRIDE = 8  # pixels to which sides are rounded, so that images of similar shape share a file


class LocalSource:
    """One kind of local features with its store, in place of a network for pipelines of local features."""

    layer: str | None = None
    device = "cpu"
    precision = "float32"
    resize = "cells"  # of STRIDE pixels

    def __init__(self, name: str, options: Options) -> None:
        self.spec, self.options = BackboneSpec.parse(name), options
        self.card: BackboneCard = self.spec.card()
        self.path = describers.weight_path(name, options.cache)
        self.fingerprint = describers.fingerprint(self.path)
        self.dimensions = describers.dimensions(name)
        self._store: FeatureStore | None = None
        self._pictures: dict[str, Picture] = {}  # by key, to extract damaged features again
        self._lock = threading.Lock()

    @classmethod
    def of(cls, config: Config, options: Options) -> LocalSource:
        return cls(config.backbone, options)

    def fresh(self) -> bool:
        """Whether the weights are unchanged since opening. Raises WorkbenchError if they are missing."""
        return describers.fingerprint(self.path) == self.fingerprint

    @property
    def store(self) -> FeatureStore:
        with self._lock:
            if self._store is None:
                self._store = FeatureStore(self.folder, self.dimensions)
            return self._store

    @property
    def folder(self) -> Path:
        """The folder of the store, which is not opened."""
        kind = self.spec.name.partition(":")[0]
        name = f"{kind}-{self.fingerprint}-{keypoints.MOST}-{self.options.size}-v{VERSION}"
        return self.options.cache / "local" / name

    def describe(self) -> Describe:
        """Return the function that computes keypoints [n, 4] and descriptors [n, D] of an RGB picture."""
        return describers.describer(self.spec.name, self.path)

    def extract(
        self, pictures: Sequence[Picture], scales: int = 1, progress: Progress = silent
    ) -> tuple[list[list[str]], dict[int, str]]:
        """Store all features. Returns the keys [1][picture] and {position: reason} of unreadable pictures."""
        headers, failures = contents.of(self.options.cache).headers(
            [picture.path for picture in pictures], progress
        )
        items = {position: self._item(pictures[position], header) for position, header in headers.items()}
        self._pictures.update((item.key, pictures[position]) for position, item in items.items())
        unreadable = extraction.fill_store(
            list(items.values()),
            self.store,
            lambda: FeatureExtractor(self.describe(), self.store),
            progress,
            f"describing keypoints by {self.spec.name}",
            cluster=None if self.options.scheduler == "local" else self._cluster(),
        )
        failures.update(
            {position: unreadable[item.key] for position, item in items.items() if item.key in unreadable}
        )
        return [[items[n].key if n in items else "" for n in range(len(pictures))]], failures

    def extractor(self, folder: Path) -> FeatureExtractor:
        """What extracts features into a folder without reading what is stored there."""
        return FeatureExtractor(self.describe(), FeatureStore(folder, self.dimensions, write_only=True))

    def _cluster(self) -> extraction.Runner:
        """The runner of the cluster that the options name."""
        from workbench.local.feature_recipe import FeatureRecipe

        recipe = FeatureRecipe(type(self), self.spec.name, cluster.portable(self.options), self.store.folder)
        return cluster.cluster_runner(self.options.scheduler, self.store.folder, recipe)

    def features(self, picture: Picture) -> LocalFeatures | None:
        """Return the stored features of one picture; None if they are not stored."""
        key = self._item(picture, contents.of(self.options.cache).header(picture.path)).key
        if key not in self.store:
            return None
        self._pictures[key] = picture
        _, stored = next(self.read([key]))
        return stored

    def _item(self, picture: Picture, header: images.Header) -> batches.Item:
        return batches.item(picture.path, header, picture.box, self.options.size, STRIDE, 1.0)

    @property
    def identity(self) -> str:
        """The name of the store, which differs where the features of the same pictures differ."""
        return self.folder.name

    def __contains__(self, key: str) -> bool:
        """Whether features are stored under a key."""
        return key in self.store

    def by_row(self, keys: Sequence[str]) -> Mapping[int, LocalFeatures]:
        """The stored features by position in ``keys``; they are memory-mapped, not copied."""
        return dict(self.read(keys))

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, LocalFeatures]]:
        """Yield (position, features) of stored features; those in damaged files are extracted again."""
        try:
            yield from self.store.read(keys)
        except DamagedFiles as error:
            lost = [keys[position] for position in error.positions]
            self.extract([self._pictures[key] for key in dict.fromkeys(lost) if key in self._pictures])
            if any(key not in self.store for key in lost):
                raise
            for position, features in self.store.read(lost):
                yield error.positions[position], features

    @property
    def notes(self) -> list[str]:
        """The notes on stored features, which are shown with every number that is computed from them."""
        return repair_notes(len(self.store.damaged), "local features")

    def features_of(self, picture: Picture | Image.Image) -> LocalFeatures:
        """Extract the features of a file, decoded as for the store, or of a decoded image; not stored.

        Raises WorkbenchError if the file cannot be read.
        """
        if isinstance(picture, Picture):
            return extract(batches.decode(self._item(picture, images.header(picture.path))), self.describe())
        size = batches.target_size(*picture.size, self.options.size, STRIDE)
        return extract(batches.pixels(picture, size), self.describe())
