"""ASMK on arrays: values computed by hand, and a plain implementation of the published formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.config.steps import Step
from workbench.local.asmk import Kernel, Sums, aggregate, invert, pack, scores, unpack
from workbench.local.asmk_shares import keypoint_parts, shares

Picture = tuple[list[list[float]], list[int]]  # descriptors, and the word of each
CENTROIDS = np.array([[0, 0], [10, 0]], np.float32)
# Sums of residuals: (2, -2) of word 0 from two keypoints, (1, 1) of word 1.
QUERY: Picture = [[1, 1], [1, -3], [11, 1]], [0, 0, 1]
IMAGES: list[Picture] = [
    ([[2, 0]], [0]),  # (2, 0)
    ([[-1, 1], [9, 1]], [0, 1]),  # (-1, 1), (-1, 1)
    ([[3, 2], [10.5, 0.5]], [0, 1]),  # (3, 2), (0.5, 0.5)
    ([], []),
]


def arrays(picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    return np.array(picture[0], np.float32).reshape(-1, 2), np.array(picture[1], np.int32).reshape(-1, 1)


def described(picture: Picture, binary: bool) -> Sums:
    return aggregate(*arrays(picture), CENTROIDS, binary)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        # Word 0: no bit differs from the first image, both from the second, one from the third: u is 1, -1
        # and 0. Word 1: one differs from the second, none from the third. The query has two words.
        ("asmk", [1 / np.sqrt(2), 0, 1 / 2, 0]),
        ("asmk:9:1", [1 / np.sqrt(2), 0, 1 / 2, 0]),
        # Word 0: (1, -1) / √2 with (1, 0) is 1 / √2, with (-1, 1) / √2 is -1, with (3, 2) / √13 is 1 / √26.
        # Word 1: (1, 1) / √2 with (-1, 1) / √2 is 0, with itself is 1.
        ("asmk-full", [2**-1.5 / np.sqrt(2), 0, (26**-1.5 + 1) / 2, 0]),
        ("asmk-full:9:1", [1 / 2, 0, (26**-0.5 + 1) / 2, 0]),
        ("asmk-full:9:2:0.5", [1 / 2 / np.sqrt(2), 0, 1 / 2, 0]),
        ("asmk-full:9:2:0.71", [0, 0, 1 / 2, 0]),
    ],
)
def test_scores_computed_by_hand(pooling: str, expected: list[float]) -> None:
    kernel = Kernel.of(Step.parse("pooling", pooling))
    postings = invert([described(image, kernel.binary) for image in IMAGES], len(CENTROIDS))
    assert postings.counts.tolist() == [1, 2, 2, 0] and postings.images.tolist() == [0, 1, 2, 1, 2]
    found = scores(described(QUERY, kernel.binary), postings, kernel, 2)
    assert found.dtype == np.float32 and np.allclose(found, expected, atol=1e-5)
    assert not scores(described(([], []), kernel.binary), postings, kernel, 2).any()


def test_the_selectivity_of_four_bits() -> None:
    """u is 1, 0.5, 0, -0.5 and -1 where 0 to 4 of 4 bits differ; a product equal to tau counts as 0."""
    code = pack(np.array([[1, 0, 1, 0]]) > 0)
    others = [[1, 0, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]]
    word = np.zeros(1, np.int32)
    postings = invert([Sums(word, pack(np.array([bits]) > 0)) for bits in others], 1)
    for alpha, tau, half in ((3.0, 0.0, 0.125), (2.0, 0.4, 0.25), (2.0, 0.5, 0.0)):
        found = scores(Sums(word, code), postings, Kernel(True, alpha, tau), 4)
        assert found.tolist() == [1, half, 0, 0, 0]


def test_a_keypoint_of_several_words_counts_in_each_and_none_is_left_out() -> None:
    descriptors = np.array([[1, 2], [np.nan, 1]], np.float32)
    words, codes = aggregate(descriptors, np.array([[0, 1, -1], [-1, -1, -1]], np.int32), CENTROIDS, False)
    assert words.tolist() == [0, 1]  # residuals (1, 2) and (-9, 2)
    assert np.allclose(
        codes, [[1 / np.sqrt(5), 2 / np.sqrt(5)], [-9 / np.sqrt(85), 2 / np.sqrt(85)]], atol=1e-5
    )


def test_a_sum_of_zero_has_no_direction() -> None:
    """A descriptor equal to its word, as where there are more words than descriptors."""
    sums = aggregate(CENTROIDS, np.array([[0], [1]], np.int32), CENTROIDS, False)
    assert not sums.codes.any()
    assert scores(sums, invert([sums], 2), Kernel(False), 2).tolist() == [0]


@given(st.integers(1, 140), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_packed_bits_are_unpacked(dimensions: int, count: int, seed: int) -> None:
    bits = np.random.default_rng(seed).random((count, dimensions)) > 0.5
    codes = pack(bits)
    assert codes.shape == (count, -(-dimensions // 64)) and codes.dtype == np.uint64
    assert np.array_equal(unpack(codes, dimensions), np.where(bits, 1.0, -1.0))


def plain(
    first: tuple[NDArray[np.float32], NDArray[np.int32]],
    second: tuple[NDArray[np.float32], NDArray[np.int32]],
    centroids: NDArray[np.float32],
    kernel: Kernel,
) -> float:
    """The similarity of two images, word by word."""

    def sums(descriptors: NDArray[np.float32], assigned: NDArray[np.int32]) -> dict[int, NDArray[np.float64]]:
        by_word: dict[int, NDArray[np.float64]] = {}
        for descriptor, words in zip(descriptors, assigned, strict=True):
            for word in words:
                residual = descriptor.astype(np.float64) - centroids[word]
                by_word[word] = by_word.get(word, np.zeros(len(residual))) + residual
        if kernel.binary:
            return {word: np.where(s > 0, 1, -1) / np.sqrt(len(s)) for word, s in by_word.items()}
        return {word: s / np.linalg.norm(s) for word, s in by_word.items()}

    a, b = sums(*first), sums(*second)
    products = [float(a[word] @ b[word]) for word in a.keys() & b.keys()]
    total = sum(u**kernel.alpha for u in products if u > kernel.tau + 1e-9)
    return total / np.sqrt(max(1, len(a)) * max(1, len(b)))


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 64, 70, 128]),
    st.integers(1, 12),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([1.0, 2.5, 3.0]),
    st.sampled_from([0.0, 0.19, 0.25]),  # the last is a product of 64 bits
)
def test_scores_are_those_of_a_plain_implementation(
    seed: int, dimensions: int, words: int, several: int, binary: bool, alpha: float, tau: float
) -> None:
    rng = np.random.default_rng(seed)
    centroids = rng.standard_normal((words, dimensions)).astype(np.float32)

    def picture(count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        assigned = [rng.choice(words, count, replace=False) for _ in range(rng.integers(0, 30))]
        descriptors = rng.standard_normal((len(assigned), dimensions)).astype(np.float32)
        return descriptors, np.array(assigned, np.int32).reshape(-1, count)

    kernel = Kernel(binary, alpha, tau)
    query, images = picture(min(several, words)), [picture(1) for _ in range(5)]
    postings = invert([aggregate(*image, centroids, binary) for image in images], words)
    found = scores(aggregate(*query, centroids, binary), postings, kernel, dimensions)
    expected = [plain(query, image, centroids, kernel) for image in images]
    assert np.allclose(found, expected, atol=2e-5)
    parts = keypoint_parts(*query, centroids, binary)
    for image, score in zip(images, found, strict=True):
        split = shares(parts, keypoint_parts(*image, centroids, binary), kernel)
        assert split.values.sum() == pytest.approx(score, abs=1e-6)
        shared, by_word = split.by_word()
        assert set(shared) <= set(image[1].ravel()) and by_word.sum() == pytest.approx(score, abs=1e-6)
        assert (by_word >= 0).all()
        pairs = [*zip(split.words, split.query, split.image, strict=True)]
        assert len(pairs) == len(set(pairs))
        assert all(word in query[1][row] and word in image[1][other] for word, row, other in pairs)
    own = scores(aggregate(*images[0], centroids, binary), postings, kernel, dimensions)[0]
    assert own == pytest.approx(float(len(images[0][0]) > 0), abs=2e-5)


@pytest.mark.parametrize(
    ("pooling", "rows"),
    [
        # The keypoints (1, 1) and (1, -3) of word 0 sum to (2, -2), of length √8; the image has (1, 0) and
        # (4, 1), together (5, 1), of length √26, and another word: gamma is 1 / 2. u = 8 / √208.
        # Their products are 1, 5; 1, 1: alpha 2 makes each the product over √208, times u, over 2.
        ("asmk-full:9:2", [(0, 0, 1), (0, 1, 5), (1, 0, 1), (1, 1, 1)]),
        # The signs of (2, -2) and (5, 1) are (1, -1) and (1, 1): u = 0.
        ("asmk:9:2", [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]),
    ],
)
def test_shares_computed_by_hand(pooling: str, rows: list[tuple[int, int, float]]) -> None:
    kernel = Kernel.of(Step.parse("pooling", pooling))
    image: Picture = [[1, 0], [4, 1], [9, 0]], [0, 0, 1]
    query_parts, image_parts = (
        keypoint_parts(*arrays(side), CENTROIDS, kernel.binary) for side in (QUERY, image)
    )
    found = shares(query_parts, image_parts, kernel)
    of_word_0 = [
        (query, other, value * 2 * 208 / 8)
        for word, query, other, value in zip(found.words, found.query, found.image, found.values, strict=True)
        if word == 0
    ]
    assert np.allclose(of_word_0, rows, atol=1e-4)
