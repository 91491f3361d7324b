"""Rankings of binary codes by Hamming distance and by spherical Hamming distance."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.search import hamming


def by_loop(a: np.ndarray, b: np.ndarray, weighted: bool) -> float:
    differing = sum(int(x ^ y).bit_count() for x, y in zip(a, b, strict=True))
    shared = sum(int(x & y).bit_count() for x, y in zip(a, b, strict=True))
    return differing / (shared + 0.1) if weighted else differing


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31), st.sampled_from([0.02, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_rankings_match_a_plain_loop(width: int, count: int, seed: int, share_of_ones: float) -> None:
    generator = np.random.default_rng(seed)
    packed = np.packbits(generator.random((count + 3, 8 * width)) < share_of_ones, axis=1)
    queries, database = packed[:3], packed[3:]
    for distance, weighted in ((hamming.hamming, False), (hamming.spherical, True)):
        expected = np.array([[by_loop(q, b, weighted) for b in database] for q in queries], np.float32)
        for k in (None, 1, count // 2 + 1, count + 5):
            for i, (rows, distances) in enumerate(hamming.nearest(queries, database, distance, k)):
                np.testing.assert_allclose(distances, np.sort(expected[i])[:k], rtol=1e-6)
                np.testing.assert_allclose(expected[i][rows], distances, rtol=1e-6)
                tied = np.diff(distances) == 0
                assert (np.diff(rows)[tied] > 0).all() and len(set(rows.tolist())) == len(rows)


def test_spherical_distance_matches_values_by_hand() -> None:
    a, b, zeros = (np.array([[bits]], np.uint8) for bits in (0b1110, 0b0111, 0))
    ((_, distance),) = hamming.nearest(a, b, hamming.spherical)
    assert distance == pytest.approx(2 / 2.1)
    ((_, distance),) = hamming.nearest(a, zeros, hamming.spherical)  # no common bit
    assert distance == pytest.approx(3 / 0.1)
    ((_, distance),) = hamming.nearest(zeros, zeros, hamming.spherical)  # no bit set
    assert distance == 0


def test_top_k_over_many_blocks_is_the_head_of_the_full_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    packed = generator.integers(
        0, 256, (3000, 2), dtype=np.uint8
    )  # 16 bits, so that distances are often equal
    queries = packed[:7]
    expected = {d: hamming.nearest(queries, packed, d) for d in (hamming.hamming, hamming.spherical)}
    monkeypatch.setattr(hamming, "_FIRST", 16)
    monkeypatch.setattr(hamming, "_NUMBERS", 512)
    for distance, full in expected.items():
        for k in (1, 10, 300):
            for (rows, distances), (all_rows, all_distances) in zip(
                hamming.nearest(queries, packed, distance, k), full, strict=True
            ):
                np.testing.assert_array_equal(rows, all_rows[:k])
                np.testing.assert_array_equal(distances, all_distances[:k])


def test_hamming_rankings_match_faiss() -> None:
    packed = np.random.default_rng(1).integers(0, 256, (5000, 8), dtype=np.uint8)
    index = faiss.IndexBinaryFlat(64)
    index.add(packed)
    distances, rows = index.search(packed[:5], 50)
    for i, (nearest_rows, nearest_distances) in enumerate(
        hamming.nearest(packed[:5], packed, hamming.hamming, 50)
    ):
        np.testing.assert_array_equal(nearest_rows, rows[i])
        np.testing.assert_array_equal(nearest_distances, distances[i])
