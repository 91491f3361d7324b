"""Visual words: a vocabulary of descriptors, and images as weighted counts of its words."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from workbench.common.checksums import intact, sealed
from workbench.common.damage import DAMAGE
from workbench.common.files import replace_file
from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.local.features import FeatureSource, LocalFeatures
from workbench.search import kmeans

faiss = lazy_module("faiss")

DESCRIPTORS_PER_WORD = 32  # for k-means, at most
ROUNDS = 10  # of k-means
MOST_BYTES = 2**32  # of the images' vectors
LARGE = 2**14  # words, above which k-means has two levels and a keypoint is compared with the nearest cells
PROBES = 32  # of the √k cells: finds 99.9 % of the nearest words, 99.8 % of the nearest five (docs/local.md)


@dataclass(frozen=True)
class VisualWords:
    """A collection in visual words. ``centroids`` [k, D] are the vocabulary, ``idf`` [k] its weights.

    The words of the i-th picture's keypoints, in their order, are ``words[starts[i]:starts[i + 1]]``.
    ``requested`` is the requested number of words; there are fewer if there are fewer descriptors.
    ``repaired``: the stored words were damaged and have been computed again. ``fingerprint`` names what they
    were computed from.
    """

    centroids: np.ndarray = field(repr=False)
    idf: np.ndarray = field(repr=False)
    words: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    requested: int
    repaired: bool = False
    fingerprint: str = ""

    @property
    def size(self) -> int:
        """Dimensions of a vector: the number of words, at least one."""
        return max(1, len(self.centroids))

    @cached_property
    def index(self) -> Any:
        """The index that finds the nearest word."""
        return centroid_index(self.centroids)

    def of(self, row: int) -> np.ndarray:
        """Return the words of a picture's keypoints, int32 [n]."""
        return np.asarray(self.words[self.starts[row] : self.starts[row + 1]])

    def assign(self, features: LocalFeatures) -> np.ndarray:
        """Assign any picture's keypoints to words, the nearest centroids: int32 [n]."""
        return assign(features.descriptors, self.index)

    def nearest(self, features: LocalFeatures, count: int) -> np.ndarray:
        """The words nearest to each keypoint of a picture, int32 [n, count]; -1 where there are fewer."""
        return nearest_words(features.descriptors, self.index, count)

    def vector(self, words: np.ndarray) -> np.ndarray:
        """Return counts times idf at unit length, float32 [k] (Sivic and Zisserman, ICCV 2003, section 4).

        Zero if there is no word, or only words that every image has.
        """
        counts = np.bincount(words, minlength=self.size).astype(np.float32)
        weighted = counts[: len(self.idf)] * self.idf if len(self.idf) else counts * 0
        return np.asarray(weighted / max(float(np.linalg.norm(weighted)), 1e-12))

    def vectors(self) -> np.ndarray:
        """Return the vectors of all pictures, float32 [n, k]."""
        return np.stack([self.vector(self.of(row)) for row in range(len(self.starts) - 1)])


def describe(
    source: FeatureSource,
    keys: Sequence[str],
    count: int,
    fit_on: Sequence[int],
    progress: Progress = silent,
) -> VisualWords:
    """Describe pictures by ``count`` words of their stored features; those in ``fit_on`` make the vocabulary.

    The vocabulary and the words of the pictures are cached on disk and read again if nothing has changed.
    """
    digest = blake2b(digest_size=12)
    for part in (
        source.identity,
        count,
        source.options.seed,
        f"{ROUNDS} in two levels" if count > LARGE else ROUNDS,
        DESCRIPTORS_PER_WORD,
        *fit_on,
        *keys,
    ):
        digest.update(f"{part} ".encode())
    path = source.options.cache / "words" / f"{digest.hexdigest()}.safetensors"
    cached = _read(path, len(keys))
    repaired = cached is None and path.exists()
    if cached is None:
        cached = _learn(source, keys, count, fit_on, progress)
        with contextlib.suppress(WorkbenchError):  # an unwritable cache costs time, not the words
            replace_file(path, b"".join(sealed(save(cached))))
    starts = np.append(0, np.cumsum(cached["counts"]))
    words = cached["words"]
    fitted = set(fit_on)
    rows = [np.unique(words[starts[row] : starts[row + 1]]) for row in sorted(fitted)]
    images_with = np.bincount(
        np.concatenate([np.empty(0, np.int32), *rows]), minlength=len(cached["centroids"])
    )
    idf = np.log(len(fitted) / np.maximum(images_with, 1)).astype(np.float32)
    return VisualWords(cached["centroids"], idf, words, starts, count, repaired, path.stem)


def require_memory(count: int, images: int) -> None:
    """Raise WorkbenchError if vectors of so many words and images do not fit into memory."""
    if 4 * count * images > MOST_BYTES:
        raise WorkbenchError(
            f"bow:{count}: vectors of {images:,} images take {4 * count * images / 1e9:.1f} GB; "
            f"take at most {MOST_BYTES // (4 * images):,} words"
        )


def centroid_index(centroids: np.ndarray) -> Any:
    """Build an index of centroids [k, D]: exact up to 16,384, above them by √k cells (see ``PROBES``)."""
    index = faiss.IndexFlatL2(centroids.shape[1])
    if len(centroids) > LARGE:
        cells = round(len(centroids) ** 0.5)
        index.add(kmeans.kmeans(centroids, cells, 0, rounds=ROUNDS))
        index = faiss.IndexIVFFlat(index, index.d, cells)
        index.nprobe = PROBES
    index.add(np.ascontiguousarray(centroids, np.float32))
    return index


def assign(descriptors: np.ndarray, index: Any) -> np.ndarray:
    """Return the nearest centroid of an index for each descriptor [n, D], int32 [n]."""
    if not index.ntotal:
        return np.zeros(0, np.int32)
    return nearest_words(descriptors, index, 1)[:, 0]


def nearest_words(descriptors: np.ndarray, index: Any, count: int) -> np.ndarray:
    """Return the nearest centroids of an index for each descriptor [n, D], int32 [n, count]; -1 is none."""
    if not len(descriptors) or not index.ntotal:
        return np.full((len(descriptors), count), -1, np.int32)
    with kmeans.limit_threads(len(descriptors) * index.ntotal * index.d):
        return np.asarray(index.search(np.ascontiguousarray(descriptors), count)[1], np.int32)


def _learn(
    source: FeatureSource, keys: Sequence[str], count: int, fit_on: Sequence[int], progress: Progress
) -> dict[str, np.ndarray]:
    """Learn the vocabulary and assign the keypoints of every picture to words."""
    fitted = np.isin(np.arange(len(keys)), list(fit_on))
    features = source.by_row(keys)
    counts = np.array([len(features[row]) for row in range(len(keys))], np.int64)
    total = int(counts[fitted].sum())
    rng = np.random.default_rng([source.options.seed, 6])
    share = min(1.0, DESCRIPTORS_PER_WORD * count / max(1, total))
    dimensions = features[0].stored.shape[1]
    sampled = [np.empty((0, dimensions), np.float32)]
    for completed, row in enumerate(np.flatnonzero(fitted).tolist()):
        progress("sampling keypoints for the vocabulary", completed, int(fitted.sum()))
        chosen = rng.random(counts[row]) < share if share < 1 else slice(None)
        sampled.append(features[row].descriptors[chosen])
    train = np.concatenate(sampled)
    words = min(count, len(train))
    centroids = np.zeros((0, dimensions), np.float32)
    if words:
        cluster = kmeans.two_level_kmeans if words > LARGE else kmeans.kmeans
        centroids = cluster(train, words, source.options.seed, progress, rounds=ROUNDS)
    assigned_words, index = [np.empty(0, np.int32)], centroid_index(centroids)
    for row in range(len(keys)):
        progress("assigning keypoints to words", row, len(keys))
        assigned_words.append(assign(features[row].descriptors, index))
    return {"centroids": centroids, "words": np.concatenate(assigned_words), "counts": counts}


def _read(path: Path, pictures: int) -> dict[str, np.ndarray] | None:
    """Read cached words of so many pictures; None if they are missing or damaged: they are computed again."""
    try:
        if not intact(path):
            return None
        cached = load_file(path)
        centroids, words, counts = (cached[name] for name in ("centroids", "words", "counts"))
        shaped = centroids.ndim == 2 and centroids.shape[1] > 0 and words.ndim == 1
        typed = (centroids.dtype, words.dtype, counts.dtype) == (np.float32, np.int32, np.int64)
        if not shaped or not typed or counts.shape != (pictures,) or not np.isfinite(centroids).all():
            return None
        if (counts < 0).any() or int(counts.sum()) != len(words):
            return None
        if len(words) and not 0 <= int(words.min()) <= int(words.max()) < len(centroids):
            return None
    except DAMAGE:
        return None
    return cached
