"""Local features of images: keypoints with descriptors, made in parallel, and kept on disk like maps."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from workbench.collections import images
from workbench.config import Config, WorkbenchError
from workbench.features import batches, extraction
from workbench.features.backbones import Card, Spec
from workbench.features.maps import Options, Picture
from workbench.features.store import Store
from workbench.local import hardnet, keypoints
from workbench.local.patches import EXTENT, cut
from workbench.progress import Progress, silent

VERSION = 2  # of this work: goes up when the same image comes to give other features
STRIDE = 8  # pixels that sides are rounded to, so that images of like shape share a file
_TOGETHER = 4  # images made between two looks at whether to stop

Describe = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Features:
    """Of one picture: keypoints float32 [n, 4], the strongest first, and their descriptors.

    A keypoint is x, y, size (diameter) and angle (degrees, clockwise), in pixels of the picture as it was
    resized to ``size`` (width, height). Descriptors are as they are stored: SIFT uint8, HardNet float16.
    """

    points: np.ndarray
    stored: np.ndarray = field(repr=False)
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def descriptors(self) -> np.ndarray:
        """Unit vectors float32 [n, 128]: RootSIFT, or HardNet."""
        return (
            keypoints.root(self.stored) if self.stored.dtype == np.uint8 else self.stored.astype(np.float32)
        )

    @property
    def places(self) -> np.ndarray:
        """Where the keypoints are, as fractions of the picture's width and height, [n, 2]."""
        return np.asarray(self.points[:, :2] / np.array(self.size, np.float32))

    @property
    def boxes(self) -> np.ndarray:
        """The square around each keypoint as wide as its patch, as fractions, clipped: [n, 4]."""
        half = EXTENT * self.points[:, 2:3] / 2
        corners = np.hstack([self.points[:, :2] - half, self.points[:, :2] + half])
        return np.asarray((corners / np.tile(self.size, 2)).clip(0, 1))


class FeatureStore(Store):
    """The local features of one kind at one size."""

    def _fits(self, file: Any, count: int) -> bool:
        shapes = {
            name: file.get_slice(name).get_shape() for name in ("points", "descriptors", "counts", "sizes")
        }
        total = int(file.get_tensor("counts").sum())
        return shapes == {
            "points": [total, 4],
            "descriptors": [total, hardnet.DIMENSIONS],
            "counts": [count],
            "sizes": [count, 2],
        }

    def write(self, keys: Sequence[str], features: Sequence[Features], unreadable: dict[str, str]) -> None:
        """Store the features of a batch of images atomically."""
        tensors = {}
        if features:
            tensors = {
                "points": torch.from_numpy(np.concatenate([one.points for one in features])),
                "descriptors": torch.from_numpy(np.concatenate([one.stored for one in features])),
                "counts": torch.tensor([len(one) for one in features]),
                "sizes": torch.tensor([one.size for one in features]),
            }
        self._write(keys, tensors, unreadable)

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, Features]]:
        """Yield (position in ``keys``, features), a file at a time."""
        for positions, rows, tensors in self._by_file(keys, "local features"):
            ends = tensors["counts"].cumsum(0).tolist()
            points, stored = tensors["points"].numpy(), tensors["descriptors"].numpy()
            for position, row in zip(positions, rows, strict=True):
                part = slice(ends[row - 1] if row else 0, ends[row])
                width, height = tensors["sizes"][row].tolist()
                yield position, Features(points[part], stored[part], (width, height))


@dataclass(frozen=True)
class _Make:
    """Makes the features of images, and keeps them."""

    describe: Describe
    store: FeatureStore

    def __call__(self, pictures: Sequence[np.ndarray]) -> list[Features]:
        return [made(picture, self.describe) for picture in pictures]

    def together(self, size: tuple[int, int]) -> int:
        return _TOGETHER

    def keep(self, keys: Sequence[str], parts: Sequence[Any], unreadable: dict[str, str]) -> None:
        self.store.write(keys, [one for part in parts for one in part], unreadable)


def made(picture: np.ndarray, describe: Describe) -> Features:
    """The features of an RGB image uint8 [h, w, 3]."""
    points, stored = describe(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    return Features(points, stored, (picture.shape[1], picture.shape[0]))


class LocalSource:
    """One kind of local features with its store. It stands for a network, where a pipeline has none."""

    layer: str | None = None
    device = "cpu"
    precision = "float32"

    def __init__(self, name: str, options: Options) -> None:
        self.spec, self.options = Spec.parse(name), options
        self.card: Card = self.spec.card()
        self.path = weights(name, options.cache)
        self.fingerprint = _fingerprint(self.path)
        self._store: FeatureStore | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, config: Config, options: Options) -> LocalSource:
        return cls(config.backbone, options)

    def fresh(self) -> bool:
        """Whether the weights are those it began with. Raises WorkbenchError where they are gone."""
        return _fingerprint(self.path) == self.fingerprint

    @property
    def store(self) -> FeatureStore:
        with self._lock:
            if self._store is None:
                kind = self.spec.name.partition(":")[0]
                name = f"{kind}-{self.fingerprint}-{keypoints.MOST}-{self.options.size}-v{VERSION}"
                self._store = FeatureStore(self.options.cache / "local" / name)
            return self._store

    def describe(self) -> Describe:
        """What makes keypoints [n, 4] and descriptors [n, 128] of a grey image."""
        if self.path is None:
            return keypoints.sift
        network = hardnet.describer(self.path)

        def described(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            points = keypoints.detect(grey)
            return points, network(cut(grey, points)).astype(np.float16)

        return described

    def extract(
        self, pictures: Sequence[Picture], scales: int = 1, progress: Progress = silent
    ) -> tuple[list[list[str]], dict[int, str]]:
        """Store all features. Returns the keys [1][picture] and {position: why it is unreadable}."""
        lost: dict[int, str] = {}
        items: dict[int, batches.Item] = {}
        for position, picture in enumerate(pictures):
            try:
                items[position] = self._item(picture)
            except WorkbenchError as error:
                lost[position] = str(error)
        bad = extraction.fill(
            list(items.values()),
            self.store,
            lambda: _Make(self.describe(), self.store),
            progress,
            f"describing keypoints by {self.spec.name}",
        )
        lost.update({position: bad[one.key] for position, one in items.items() if one.key in bad})
        return [[items[n].key if n in items else "" for n in range(len(pictures))]], lost

    def features(self, picture: Picture) -> Features | None:
        """The stored features of one picture; None where they are not stored."""
        key = self._item(picture).key
        if key not in self.store:
            return None
        _, found = next(self.store.read([key]))
        return found

    def _item(self, picture: Picture) -> batches.Item:
        header = images.header(picture.path)
        return batches.item(picture.path, header, picture.box, self.options.size, STRIDE, 1.0)

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, Features]]:
        """Yield (position, features) of stored ones."""
        return self.store.read(keys)

    def features_of(self, picture: Image.Image) -> Features:
        """The features of one decoded image; nothing is stored."""
        size = batches.target_size(*picture.size, self.options.size, STRIDE)
        return made(batches.pixels(picture, size), self.describe())


def weights(name: str, cache: Path) -> Path | None:
    """The file of a HardNet: the shipped one, one trained under a name, or any path. None for SIFT."""
    if name == "sift":
        return None
    _, _, which = name.partition(":")
    if not which:
        return hardnet.SHIPPED
    if "/" in which or "." in which:
        return Path(which).expanduser()
    path = cache / "learned" / f"{which}.safetensors"
    if not path.is_file():
        raise WorkbenchError(
            f"{name!r}: {str(path)!r} is missing; train it (workbench train hardnet FOLDER --name {which}), "
            "or name a file with its path, as in hardnet:./checkpoint.pth"
        )
    return path


def _fingerprint(path: Path | None) -> str:
    if path is None:
        return hashlib.blake2b(f"{cv2.__version__} {keypoints.CONTRAST}".encode(), digest_size=4).hexdigest()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"HardNet's weights {str(path)!r} cannot be read ({error.strerror})") from None
    return hashlib.blake2b(content, digest_size=4).hexdigest()
