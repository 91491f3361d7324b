"""Visual words: a vocabulary of descriptors, and images as weighted counts of its words."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from workbench.config import WorkbenchError
from workbench.local import hardnet
from workbench.local.features import Features, LocalSource
from workbench.progress import Progress, silent
from workbench.search import cells
from workbench.writing import replace_file

A_WORD = 32  # descriptors a word, that k-means learns from at most
ROUNDS = 10  # of k-means
MOST_BYTES = 2**32  # of the images' vectors


@dataclass(frozen=True)
class Words:
    """A collection in visual words. ``centroids`` [k, 128] are the vocabulary, ``idf`` [k] its weights.

    The words of the i-th picture's keypoints, in their order, are ``words[starts[i]:starts[i + 1]]``.
    ``asked`` is how many words were wished for; there are fewer where there are fewer descriptors.
    """

    centroids: np.ndarray = field(repr=False)
    idf: np.ndarray = field(repr=False)
    words: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    asked: int

    @property
    def size(self) -> int:
        """Numbers of a vector: the words, or one where there is none."""
        return max(1, len(self.centroids))

    @cached_property
    def index(self) -> Any:
        """What finds the nearest word."""
        return nearest(self.centroids)

    def of(self, row: int) -> np.ndarray:
        """The words of a picture's keypoints, int32 [n]."""
        return np.asarray(self.words[self.starts[row] : self.starts[row + 1]])

    def named(self, features: Features) -> np.ndarray:
        """The words of any picture's keypoints: the nearest centroids, int32 [n]."""
        return assigned(features.descriptors, self.index)

    def vector(self, words: np.ndarray) -> np.ndarray:
        """Counts times idf at unit length, float32 [k] (Sivic and Zisserman, ICCV 2003, section 4).

        Nought where there is no word, or only words that every image has.
        """
        counts = np.bincount(words, minlength=self.size).astype(np.float32)
        weighted = counts[: len(self.idf)] * self.idf if len(self.idf) else counts * 0
        return np.asarray(weighted / max(float(np.linalg.norm(weighted)), 1e-12))

    def vectors(self) -> np.ndarray:
        """Those of all pictures, float32 [n, k]."""
        return np.stack([self.vector(self.of(row)) for row in range(len(self.starts) - 1)])


def describe(
    source: LocalSource,
    keys: Sequence[str],
    count: int,
    fit_on: Sequence[int],
    progress: Progress = silent,
) -> Words:
    """Pictures in ``count`` words, by their stored features; those of ``fit_on`` make the vocabulary.

    It is kept on disk with the words of the pictures, and read where nothing has changed. Raises
    WorkbenchError where vectors of so many words do not fit into memory.
    """
    if 4 * count * len(keys) > MOST_BYTES:
        raise WorkbenchError(
            f"bow:{count}: vectors of {len(keys):,} images take {4 * count * len(keys) / 1e9:.1f} GB; "
            f"take at most {MOST_BYTES // (4 * len(keys)):,} words"
        )
    of = blake2b(digest_size=12)
    for word in (source.store.folder.name, count, source.options.seed, ROUNDS, A_WORD, *fit_on, *keys):
        of.update(f"{word} ".encode())
    path = source.options.cache / "words" / f"{of.hexdigest()}.safetensors"
    found = _read(path)
    if found is None:
        found = _made(source, keys, count, fit_on, progress)
        with contextlib.suppress(WorkbenchError):  # a cache that cannot be written costs time, not the words
            replace_file(path, save(found))
    starts = np.append(0, np.cumsum(found["counts"]))
    words = found["words"]
    fitted = set(fit_on)
    rows = [np.unique(words[starts[row] : starts[row + 1]]) for row in sorted(fitted)]
    images_with = np.bincount(
        np.concatenate([np.empty(0, np.int32), *rows]), minlength=len(found["centroids"])
    )
    idf = np.log(len(fitted) / np.maximum(images_with, 1)).astype(np.float32)
    return Words(found["centroids"], idf, words, starts, count)


def nearest(centroids: np.ndarray) -> Any:
    """An exact index of centroids [k, D]."""
    index = faiss.IndexFlatL2(hardnet.DIMENSIONS)
    index.add(np.ascontiguousarray(centroids, np.float32))
    return index


def assigned(descriptors: np.ndarray, index: Any) -> np.ndarray:
    """The nearest of an index's centroids to each descriptor [n, D], int32 [n]."""
    if not len(descriptors) or not index.ntotal:
        return np.zeros(0, np.int32)
    with cells.threads(len(descriptors) * index.ntotal * index.d):
        return np.asarray(index.search(np.ascontiguousarray(descriptors), 1)[1][:, 0], np.int32)


def _made(
    source: LocalSource, keys: Sequence[str], count: int, fit_on: Sequence[int], progress: Progress
) -> dict[str, np.ndarray]:
    """The vocabulary, and the words of every picture."""
    fitted = np.isin(np.arange(len(keys)), list(fit_on))
    features: dict[int, Features] = dict(source.read(keys))  # memory-mapped: nothing is copied yet
    counts = np.array([len(features[row]) for row in range(len(keys))], np.int64)
    everything = int(counts[fitted].sum())
    rng = np.random.default_rng([source.options.seed, 6])
    share = min(1.0, A_WORD * count / max(1, everything))
    some = [np.empty((0, hardnet.DIMENSIONS), np.float32)]
    for done, row in enumerate(np.flatnonzero(fitted).tolist()):
        progress("drawing descriptors", done, int(fitted.sum()))
        drawn = rng.random(counts[row]) < share if share < 1 else slice(None)
        some.append(features[row].descriptors[drawn])
    train = np.concatenate(some)
    words = min(count, len(train))
    centroids = np.zeros((0, hardnet.DIMENSIONS), np.float32)
    if words:
        centroids = cells.means(train, words, source.options.seed, progress, rounds=ROUNDS)
    named, index = [np.empty(0, np.int32)], nearest(centroids)
    for row in range(len(keys)):
        progress("naming words", row, len(keys))
        named.append(assigned(features[row].descriptors, index))
    return {"centroids": centroids, "words": np.concatenate(named), "counts": counts}


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """What was kept; None where it is not there, or damaged, and is made anew."""
    try:
        found = load_file(path)
        if int(found["counts"].sum()) != len(found["words"]):
            return None
        if len(found["words"]) and int(found["words"].max()) >= len(found["centroids"]):
            return None
    except (OSError, SafetensorError, KeyError):
        return None
    return found
