"""Local features of images: keypoints with descriptors, and what gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from PIL import Image

from workbench.config.options import Options
from workbench.features.backbones import BackboneSpec
from workbench.features.map_source import Picture
from workbench.local import keypoints
from workbench.local.patches import EXTENT


@dataclass(frozen=True)
class LocalFeatures:
    """The keypoints of one picture, float32 [n, 4], strongest first, and their descriptors.

    A keypoint is x, y, size (diameter) and angle (degrees, clockwise), in pixels of the picture resized to
    ``size`` (width, height). Learned keypoints have one size and the angle 0. ``stored`` holds the
    descriptors [n, D] as stored: SIFT uint8, others float16.
    """

    points: np.ndarray
    stored: np.ndarray = field(repr=False)
    size: tuple[int, int]
    extent: ClassVar[float] = EXTENT  # side of the square that a keypoint covers, in multiples of its size

    def __len__(self) -> int:
        return len(self.points)

    @property
    def descriptors(self) -> np.ndarray:
        """Unit vectors float32 [n, D]: RootSIFT, or those of a network."""
        return (
            keypoints.root(self.stored) if self.stored.dtype == np.uint8 else self.stored.astype(np.float32)
        )

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that identify the keypoints and their descriptors."""
        digest = hashlib.blake2b(repr(self.size).encode(), digest_size=16)
        for values in (self.points, self.stored):
            digest.update(values.tobytes())
        return digest.digest()

    @property
    def places(self) -> np.ndarray:
        """Positions of the keypoints as fractions of the picture's width and height, [n, 2]."""
        return np.asarray(self.points[:, :2] / np.array(self.size, np.float32))

    @property
    def boxes(self) -> np.ndarray:
        """The square covered by each keypoint's patch, as fractions of the picture, clipped: [n, 4]."""
        half = self.extent * self.points[:, 2:3] / 2
        corners = np.hstack([self.points[:, :2] - half, self.points[:, :2] + half])
        return np.asarray((corners / np.tile(self.size, 2)).clip(0, 1))


class FeatureSource(Protocol):
    """Where the local features of pictures come from: a ``LocalSource``, or the cells of a network's maps."""

    @property
    def spec(self) -> BackboneSpec: ...
    @property
    def options(self) -> Options: ...
    @property
    def identity(self) -> str:
        """A text that differs where the features of the same pictures differ."""

    def __hash__(self) -> int: ...

    def __contains__(self, key: str) -> bool:
        """Whether the picture of a key has features that can be read."""

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, LocalFeatures]]:
        """Yield (position in ``keys``, features)."""

    def by_row(self, keys: Sequence[str]) -> Mapping[int, LocalFeatures]:
        """The features of pictures by position in ``keys``, for several passes over them."""

    def features(self, picture: Picture) -> LocalFeatures | None:
        """The features of a picture from the store; None if they are not stored."""

    def features_of(self, picture: Picture | Image.Image) -> LocalFeatures:
        """The features of a file or of a decoded image, computed now."""
