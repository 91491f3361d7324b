"""Aggregated selective match kernels (Tolias, Avrithis and Jégou, ICCV 2013; IJCV 2016), on arrays.

The residuals of an image's local descriptors to a word are summed. Two images are as similar as their sums
agree, word by word: with V_c the normalised sum of a word c,

    S(X, Y) = gamma(X) gamma(Y) Σ_c sigma(V_c(X) · V_c(Y)),    sigma(u) = sign(u) |u|^alpha if u > tau, else 0

A sum is normalised to unit length, or binarised: the sign of each dimension, one bit (ASMK*, IJCV 2016,
section 3.4); the product of two is then 1 - 2 h / D, h the number of bits that differ. gamma(X) is one over
the root of the number of words of an image, so that an image is 1 similar to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workbench.common.lazy import compiled
from workbench.config.steps import Step

ASSIGNED = 5  # words of a keypoint of a query; one of an image (Tolias, Jenicek and Chum, ECCV 2020, 4.1)
_NO_DIRECTION = 1e-6  # added to the length of a sum
_BITS = 64  # of a part of a code


@dataclass(frozen=True)
class Kernel:
    """The kernel: ``binary`` or full sums of residuals, and the exponent alpha and threshold tau of sigma."""

    binary: bool = True
    alpha: float = 3.0
    tau: float = 0.0

    @classmethod
    def of(cls, pooling: Step) -> Kernel:
        """The kernel of ``asmk`` or ``asmk-full``."""
        _, alpha, tau = pooling.args
        return cls(pooling.name == "asmk", alpha, tau)

    def sigma(self, products: np.ndarray) -> np.ndarray:
        """The selectivity function of products u of two sums, float64 (ICCV 2013, equation 9)."""
        u = np.asarray(products, np.float64)
        return np.where(u > self.tau, np.sign(u) * np.abs(u) ** self.alpha, 0.0)


class Sums(NamedTuple):
    """The words of an image, int32 [w] ascending, and their sums of residuals.

    ``codes`` are bits, packed into uint64 [w, ⌈D / 64⌉], or vectors of unit length, float32 [w, D].
    """

    words: np.ndarray
    codes: np.ndarray


class Postings(NamedTuple):
    """The sums of all images by word: those of word c are ``starts[c]`` to ``starts[c + 1]``.

    ``starts`` int64 [k + 1]; ``images`` int32 [P] the rows of the images, ascending within a word; ``codes``
    [P, …] as in ``Sums``; ``counts`` int32 [N] the number of words of each image.
    """

    starts: np.ndarray
    images: np.ndarray
    codes: np.ndarray
    counts: np.ndarray


def residual_sums(
    descriptors: np.ndarray, assigned: np.ndarray, centroids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum an image's residuals by word: words int32 [w], ascending, and sums float32 [w, D].

    ``assigned`` int32 [n, m] are the words of descriptors [n, D]; -1 is none.
    """
    keypoints, column = np.nonzero(assigned >= 0)
    names = assigned[keypoints, column]
    words, position = np.unique(names, return_inverse=True)
    sums = np.zeros((len(words), centroids.shape[1]), np.float32)
    np.add.at(sums, position, descriptors[keypoints] - centroids[names])
    return words.astype(np.int32), sums


def aggregate(
    descriptors: np.ndarray, assigned: np.ndarray, centroids: np.ndarray, binary: bool = True
) -> Sums:
    """Describe an image: descriptors [n, D] with their words [n, m], and centroids [k, D]; -1 is no word."""
    words, sums = residual_sums(descriptors, assigned, centroids)
    if binary:
        return Sums(words, pack(sums > 0))
    return Sums(words, sums / lengths(sums))


def lengths(sums: np.ndarray) -> np.ndarray:
    """The lengths [w, 1] by which sums [w, D] are divided: a sum of rounding errors has no direction."""
    return np.linalg.norm(sums, axis=1, keepdims=True) + np.float32(_NO_DIRECTION)


def products(first: np.ndarray, second: np.ndarray, dimensions: int) -> np.ndarray:
    """The products u of sums of the same words, by their codes of one kind: [w]."""
    if first.dtype == np.uint64:
        return 1 - 2 * np.bitwise_count(first ^ second).sum(1, dtype=np.int64) / dimensions
    return np.asarray((first * second).sum(1))


def pack(bits: np.ndarray) -> np.ndarray:
    """Pack bits [w, D] into uint64 [w, ⌈D / 64⌉]; bits that are left over are 0."""
    packed = np.zeros((len(bits), -(-bits.shape[1] // _BITS) * _BITS // 8), np.uint8)
    packed[:, : -(-bits.shape[1] // 8)] = np.packbits(bits, axis=1)
    return packed.view(np.uint64)


def unpack(codes: np.ndarray, dimensions: int) -> np.ndarray:
    """The signs -1 and 1 of packed codes, float64 [w, D]."""
    bits = np.unpackbits(codes.view(np.uint8), axis=1, count=dimensions)
    return np.asarray(2.0 * bits - 1)


def invert(images: Sequence[Sums], words: int) -> Postings:
    """Build the postings of images, at least one, for a vocabulary of so many words."""
    counts = np.array([len(image.words) for image in images], np.int32)
    names = np.concatenate([image.words for image in images])
    order = np.argsort(names, kind="stable")
    rows = np.repeat(np.arange(len(images), dtype=np.int32), counts)
    codes = np.concatenate([image.codes for image in images])
    starts = np.searchsorted(names[order], np.arange(words + 1)).astype(np.int64)
    return Postings(starts, rows[order], codes[order], counts)


def scores(query: Sums, postings: Postings, kernel: Kernel, dimensions: int) -> np.ndarray:
    """The similarities float32 [N] of a query to all images; reads the postings of its own words only.

    ``dimensions`` D is that of a descriptor.
    """
    total = np.zeros(len(postings.counts))
    starts, images, codes, counts = postings
    if kernel.binary:
        distances = np.arange(_BITS * codes.shape[1] + 1)
        table = kernel.sigma(1 - 2 * distances / dimensions)
        _add_binary(total, query.words, query.codes, starts, images, codes, table)
    else:
        _add_full(total, query.words, query.codes, starts, images, codes, kernel.alpha, kernel.tau)
    gamma = np.sqrt(np.maximum(counts, 1) * max(1, len(query.words)))
    return np.asarray(total / gamma, np.float32)


@compiled(nogil=True, error_model="numpy")
def _add_binary(
    total: np.ndarray,
    words: np.ndarray,
    query_codes: np.ndarray,
    starts: np.ndarray,
    images: np.ndarray,
    codes: np.ndarray,
    table: np.ndarray,
) -> None:
    """Add to each image's total the entry of ``table`` at the Hamming distance, for each word it shares."""
    ones, twos, fours = (
        np.uint64(0x5555555555555555),
        np.uint64(0x3333333333333333),
        np.uint64(0x0F0F0F0F0F0F0F0F),
    )
    bytes_, top = np.uint64(0x0101010101010101), np.uint64(56)
    for i in range(len(words)):
        for posting in range(starts[words[i]], starts[words[i] + 1]):
            distance = np.uint64(0)
            for part in range(codes.shape[1]):
                x = query_codes[i, part] ^ codes[posting, part]
                x -= (x >> np.uint64(1)) & ones
                x = (x & twos) + ((x >> np.uint64(2)) & twos)
                x = (x + (x >> np.uint64(4))) & fours
                distance += (x * bytes_) >> top
            total[images[posting]] += table[distance]


@compiled(nogil=True, fastmath={"reassoc", "contract"})  # no NaN is assumed away
def _add_full(
    total: np.ndarray,
    words: np.ndarray,
    query_codes: np.ndarray,
    starts: np.ndarray,
    images: np.ndarray,
    codes: np.ndarray,
    alpha: float,
    tau: float,
) -> None:
    """Add to each image's total the selectivity of the inner product, for each word it shares."""
    for i in range(len(words)):
        for posting in range(starts[words[i]], starts[words[i] + 1]):
            product = np.float32(0)
            for part in range(codes.shape[1]):
                product += query_codes[i, part] * codes[posting, part]
            if product > tau:
                total[images[posting]] += product**alpha
