"""The inverted file of a bag of words, and Hamming embedding on top of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numba
import numpy as np
from scipy import sparse

from workbench.local.features import Features
from workbench.local.words import Words
from workbench.progress import Progress, silent
from workbench.search.exact import first, rank
from workbench.search.found import Found, ordered

BITS = 64  # of a signature
_A_POSTING = 8.0  # bytes: an image's number and its weight


@numba.njit(nogil=True)
def _add(
    total: np.ndarray,
    words: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    images: np.ndarray,
    values: np.ndarray,
) -> None:
    """Add to each image's total its value for each of some words, times that word's weight."""
    for n in range(len(words)):
        weight = weights[n]
        for at in range(starts[words[n]], starts[words[n] + 1]):
            total[images[at]] += weight * values[at]


@dataclass(frozen=True)
class InvertedFile:
    """For each word the images that have it, with its weight there: ``postings`` [N, words], by column.

    Exact: an image without a word of the query scores nought.
    """

    postings: sparse.csc_array
    name: ClassVar[str] = "inverted file"
    ties: ClassVar[bool] = False
    shared_bytes: ClassVar[int] = 0

    @classmethod
    def of(cls, vectors: np.ndarray) -> InvertedFile:
        """Of vectors [N, words]."""
        return cls(sparse.csc_array(vectors))

    @property
    def size(self) -> int:
        return int(self.postings.shape[0])

    @property
    def bytes(self) -> float:
        return _A_POSTING * self.postings.nnz / max(1, self.size)

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Inner products of a query [words] with all images, float32 [N], by looking up its own words."""
        total, words = np.zeros(self.size), np.flatnonzero(query)
        postings = self.postings
        _add(total, words, query[words], postings.indptr, postings.indices, postings.data)
        return total.astype(np.float32)

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Found]:
        """The best ``k`` (None: all) for each query [Q, words]."""
        found = []
        for query in queries:
            every = self.scores(query)[None]
            rows = rank(every) if k is None or k >= self.size else first(every, k)
            found.append(Found(rows[0], every[0][rows[0]]))
        return found


@dataclass(frozen=True)
class Embedding:
    """Hamming embedding (Jégou, Douze and Schmid, ECCV 2008, section 3): words told apart by signatures.

    ``rotation`` [64, 128] projects descriptors, ``medians`` [k, 64] are those of each word's projections. Of
    each word's postings ``images`` are the rows and ``signatures`` uint64 what the keypoints are like;
    ``starts`` [k + 1] is where each word's begin. ``norms`` [N] are the images' weighted counts' lengths.
    """

    words: Words
    rotation: np.ndarray
    medians: np.ndarray
    starts: np.ndarray
    images: np.ndarray
    signatures: np.ndarray
    norms: np.ndarray

    def signed(self, descriptors: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Signatures uint64 [n] of descriptors [n, 128] of those words."""
        return _packed(descriptors @ self.rotation.T > self.medians[words])

    def scores(self, features: Features, threshold: int) -> np.ndarray:
        """What a picture's keypoints have in common with all images, float32 [N].

        Two keypoints of one word count idf² where their signatures differ in at most ``threshold`` bits; the
        sum is divided by the lengths of both weighted counts.
        """
        names = self.words.named(features)
        if not len(names):
            return np.zeros(len(self.norms), np.float32)
        signatures = self.signed(features.descriptors, names)
        begin, length = self.starts[names], self.starts[names + 1] - self.starts[names]
        at = np.repeat(begin - np.append(0, np.cumsum(length)[:-1]), length) + np.arange(length.sum())
        near = np.bitwise_count(self.signatures[at] ^ np.repeat(signatures, length)) <= threshold
        weights = np.repeat(self.words.idf[names] ** 2, length)[near]
        total = np.bincount(self.images[at[near]], weights, len(self.norms))
        own = np.linalg.norm(np.bincount(names, minlength=len(self.words.idf)) * self.words.idf)
        return np.asarray(total / np.maximum(own * self.norms, 1e-12), np.float32)


def embedding(
    words: Words,
    count: int,
    read: Callable[[], Iterable[tuple[int, Features]]],
    seed: int,
    progress: Progress = silent,
) -> Embedding:
    """The embedding of the first ``count`` pictures, whose features ``read`` yields by position."""
    rng = np.random.default_rng([seed, 7])
    rotation = np.linalg.qr(rng.standard_normal((128, 128)))[0][:BITS].astype(np.float32)
    names = words.words[: words.starts[count]]
    projected = np.empty((len(names), BITS), np.float32)
    for done, (row, features) in enumerate(read()):
        progress("embedding keypoints", done, count)
        projected[words.starts[row] : words.starts[row + 1]] = features.descriptors @ rotation.T
    order = np.argsort(names, kind="stable")
    starts = np.searchsorted(names[order], np.arange(len(words.idf) + 1))
    medians = np.zeros((len(words.idf), BITS), np.float32)
    for word, (begin, end) in enumerate(pairwise(starts)):
        if begin < end:
            medians[word] = np.median(projected[order[begin:end]], axis=0)
    images = np.repeat(np.arange(count, dtype=np.int32), np.diff(words.starts[: count + 1]))
    signatures = _packed(projected > medians[names]) if len(names) else np.zeros(0, np.uint64)
    counts = [np.bincount(words.of(row), minlength=len(words.idf)) for row in range(count)]
    norms = np.array([np.linalg.norm(one * words.idf) for one in counts], np.float32)
    return Embedding(words, rotation, medians, starts, images[order], signatures[order], norms)


def rescored(embedding: Embedding, features: Features, threshold: int) -> Found:
    """The whole database ranked by Hamming embedding for one query."""
    scores = embedding.scores(features, threshold)
    return ordered(np.arange(len(scores)), scores)


def _packed(bits: np.ndarray) -> np.ndarray:
    """Bits [n, 64] as uint64 [n]."""
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]
