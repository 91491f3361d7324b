"""The score of ASMK split over words, and over the pairs of keypoints of each word.

With the normalisers and sigma(u) / u held fixed, the score is a product of sums over keypoints. A word adds
gamma(X) gamma(Y) sigma(u) / u times V(X) · V(Y) = u, and each V is the sum of the parts of its keypoints:

- full: the residual over the length of the sum;
- binary: in each dimension d the sign b_d = S_d / |S_d| of the sum S = Σ r, of which a keypoint has
  r_d / |S_d|, over the root of D. Where residuals cancel, this would be a large number for one keypoint and
  its opposite for another; there all have the same part of b_d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.local import asmk
from workbench.local.asmk import Kernel, Sums

_CANCELLED = 1e-3  # of the sum of the sizes of residuals: a smaller sum has a sign, but no keypoint made it


@dataclass(frozen=True)
class Parts:
    """The parts of one image's keypoints in its sums: ``keypoints`` and ``words`` [p] and ``parts`` [p, D].

    A row is a keypoint in a word, by word. The parts of a word's keypoints add up to its V in ``sums``.
    """

    keypoints: np.ndarray
    words: np.ndarray
    parts: np.ndarray
    sums: Sums

    def of(self, word: int) -> slice:
        """The rows of a word."""
        return slice(*np.searchsorted(self.words, [word, word + 1]))


def keypoint_parts(
    descriptors: np.ndarray, assigned: np.ndarray, centroids: np.ndarray, binary: bool
) -> Parts:
    """The parts of keypoints with descriptors [n, D] and words [n, m]; -1 is no word."""
    keypoints, column = np.nonzero(assigned >= 0)
    names = assigned[keypoints, column]
    order = np.argsort(names, kind="stable")
    keypoints, names = keypoints[order], names[order]
    residuals = (descriptors[keypoints] - centroids[names]).astype(np.float64)
    aggregated = asmk.aggregate(descriptors, assigned, centroids, binary)
    words, codes = aggregated
    position = np.searchsorted(words, names)
    if binary:
        dimensions = centroids.shape[1]
        signs = asmk.unpack(codes, dimensions)
        sums, sizes = np.zeros_like(signs), np.zeros_like(signs)
        np.add.at(sums, position, residuals)
        np.add.at(sizes, position, np.abs(residuals))
        members = np.bincount(position, minlength=len(words))[position][:, None]
        cancelled = (np.abs(sums) <= _CANCELLED * sizes)[position]
        shares = np.divide(residuals, sums[position], out=np.zeros_like(residuals), where=~cancelled)
        parts = np.where(cancelled, 1 / members, shares) * signs[position] / np.sqrt(dimensions)
    else:
        _, sums = asmk.residual_sums(descriptors, assigned, centroids)
        parts = residuals / asmk.lengths(sums)[position]
    return Parts(keypoints, names, parts, aggregated)


@dataclass(frozen=True)
class Shares:
    """A score split: row i adds ``values[i]`` for two keypoints ``query[i]`` and ``image[i]`` of a word.

    ``words`` are the words of the rows, ascending. A pair occurs once for each word it shares.
    """

    words: np.ndarray
    query: np.ndarray
    image: np.ndarray
    values: np.ndarray

    def by_word(self) -> tuple[np.ndarray, np.ndarray]:
        """The words that both images have, and what each adds to the score."""
        words, position = np.unique(self.words, return_inverse=True)
        return words, np.bincount(position, self.values, len(words))


def shares(query: Parts, image: Parts, kernel: Kernel) -> Shares:
    """Split the score of two images, whose query may have several words for a keypoint."""
    gamma = 1 / np.sqrt(max(1, len(query.sums.words)) * max(1, len(image.sums.words)))
    both, ours, theirs = np.intersect1d(query.sums.words, image.sums.words, True, return_indices=True)
    u = asmk.products(query.sums.codes[ours], image.sums.codes[theirs], query.parts.shape[1])
    slopes = gamma * np.divide(kernel.sigma(u), u, out=np.zeros(len(u)), where=u > kernel.tau)
    words, rows, columns, values = ([np.zeros(0, type_)] for type_ in (np.int32, np.int64, np.int64, float))
    for word, slope in zip(both.tolist(), slopes, strict=True):
        of_query, of_image = query.of(word), image.of(word)
        pairs = slope * (query.parts[of_query] @ image.parts[of_image].T)
        words.append(np.full(pairs.size, word, np.int32))
        rows.append(np.repeat(query.keypoints[of_query], pairs.shape[1]))
        columns.append(np.tile(image.keypoints[of_image], len(pairs)))
        values.append(pairs.ravel())
    return Shares(*(np.concatenate(parts) for parts in (words, rows, columns, values)))
