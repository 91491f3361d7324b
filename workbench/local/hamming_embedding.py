"""Hamming embedding of local descriptors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.common.progress import Progress, silent
from workbench.local.features import LocalFeatures
from workbench.local.vocabulary import VisualWords
from workbench.search.ranking import Ranking, sorted_ranking

BITS = 64  # of a signature


@dataclass(frozen=True)
class HammingEmbedding:
    """Hamming embedding (Jégou, Douze and Schmid, ECCV 2008, section 3): binary signatures refine words.

    ``rotation`` [64, D] projects descriptors; ``medians`` [k, 64] are the medians of each word's
    projections. The postings of word i are ``starts[i]`` … ``starts[i + 1]``: ``images`` are their rows and
    ``signatures`` uint64 those of their keypoints. ``norms`` [N] are the lengths of the weighted counts.
    """

    words: VisualWords
    rotation: np.ndarray
    medians: np.ndarray
    starts: np.ndarray
    images: np.ndarray
    signatures: np.ndarray
    norms: np.ndarray

    def signed(self, descriptors: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Compute signatures uint64 [n] of descriptors [n, D] that belong to ``words`` [n]."""
        return _packed(descriptors @ self.rotation.T > self.medians[words])

    def scores(self, features: LocalFeatures, threshold: int) -> np.ndarray:
        """Score all images by the keypoints they share with a picture, float32 [N].

        Two keypoints of one word count idf² if their signatures differ in at most ``threshold`` bits; the
        sum is divided by the lengths of both weighted counts.
        """
        words = self.words.assign(features)
        if not len(words):
            return np.zeros(len(self.norms), np.float32)
        signatures = self.signed(features.descriptors, words)
        begin, length = self.starts[words], self.starts[words + 1] - self.starts[words]
        postings = np.repeat(begin - np.append(0, np.cumsum(length)[:-1]), length) + np.arange(length.sum())
        matching = np.bitwise_count(self.signatures[postings] ^ np.repeat(signatures, length)) <= threshold
        weights = np.repeat(self.words.idf[words] ** 2, length)[matching]
        total = np.bincount(self.images[postings[matching]], weights, len(self.norms))
        query_norm = np.linalg.norm(np.bincount(words, minlength=len(self.words.idf)) * self.words.idf)
        return np.asarray(total / np.maximum(query_norm * self.norms, 1e-12), np.float32)


def hamming_embedding(
    words: VisualWords,
    count: int,
    read: Callable[[], Iterable[tuple[int, LocalFeatures]]],
    seed: int,
    progress: Progress = silent,
) -> HammingEmbedding:
    """Build the embedding of the first ``count`` pictures; ``read`` yields (position, features)."""
    rng = np.random.default_rng([seed, 7])
    dimensions = words.centroids.shape[1]
    rotation = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0][:BITS].astype(np.float32)
    assigned = words.words[: words.starts[count]]
    projected = np.empty((len(assigned), BITS), np.float32)
    for completed, (row, features) in enumerate(read()):
        progress("computing signatures of keypoints", completed, count)
        projected[words.starts[row] : words.starts[row + 1]] = features.descriptors @ rotation.T
    order = np.argsort(assigned, kind="stable")
    starts = np.searchsorted(assigned[order], np.arange(len(words.idf) + 1))
    medians = np.zeros((len(words.idf), BITS), np.float32)
    for word, (begin, end) in enumerate(pairwise(starts)):
        if begin < end:
            medians[word] = np.median(projected[order[begin:end]], axis=0)
    images = np.repeat(np.arange(count, dtype=np.int32), np.diff(words.starts[: count + 1]))
    signatures = _packed(projected > medians[assigned]) if len(assigned) else np.zeros(0, np.uint64)
    counts = [np.bincount(words.of(row), minlength=len(words.idf)) for row in range(count)]
    norms = np.array([np.linalg.norm(word_counts * words.idf) for word_counts in counts], np.float32)
    return HammingEmbedding(words, rotation, medians, starts, images[order], signatures[order], norms)


def rank_by_hamming_embedding(
    embedding: HammingEmbedding, features: LocalFeatures, threshold: int
) -> Ranking:
    """Rank the whole database by Hamming embedding for one query."""
    scores = embedding.scores(features, threshold)
    return sorted_ranking(np.arange(len(scores)), scores)


def _packed(bits: np.ndarray) -> np.ndarray:
    """Pack bits [n, 64] into uint64 [n]."""
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]
