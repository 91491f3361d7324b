"""Nearest neighbours within a database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rankings import drawn, unit
from workbench.common.progress import Cancelled
from workbench.search import knn
from workbench.search.knn import nearest


def test_neighbours_of_vectors_at_given_angles() -> None:
    angles = np.radians([0, 10, 30, 90])
    rows, cosines = nearest(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32), 3)
    assert rows.tolist() == [[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1]]
    expected = np.cos(np.radians([[10, 30], [10, 20], [20, 30], [60, 80]]))
    np.testing.assert_allclose(cosines[:, 1:], expected, atol=1e-6)
    assert (cosines[:, 0] == 1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 999))
def test_neighbours_match_a_full_sort(count: int, seed: int) -> None:
    vectors = drawn(count, seed)
    k = min(4, count)
    rows, cosines = nearest(vectors, 4)
    full = vectors.astype(float) @ vectors.T.astype(float)
    np.testing.assert_allclose(cosines, -np.sort(-full, axis=1)[:, :k], atol=1e-5)
    np.testing.assert_allclose(cosines, np.take_along_axis(full, rows, 1), atol=1e-5)
    assert rows[:, 0].tolist() == list(range(count))


def test_vector_precedes_its_duplicates_which_keep_their_order() -> None:
    rows, cosines = nearest(np.repeat(unit(np.ones((1, 4))), 3, axis=0), 5)
    assert rows.tolist() == [[0, 1, 2], [1, 0, 2], [2, 0, 1]]
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_equal_neighbours_at_the_end_of_the_list_are_the_first_of_the_database() -> None:
    """Forty vectors of the same cosine to the first: any of them could be its three nearest."""
    count = 40
    vectors = np.zeros((count + 1, count + 1), np.float32)
    vectors[0, 0] = 1
    vectors[1:, 0] = 0.5
    vectors[np.arange(1, count + 1), np.arange(1, count + 1)] = np.sqrt(0.75)
    rows, cosines = nearest(vectors, 4)
    assert rows[0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(cosines[0], [1, 0.5, 0.5, 0.5], atol=1e-6)
    repeated = nearest(np.repeat(vectors[:1], 30, axis=0), 3)[0]
    assert repeated[20].tolist() == [20, 0, 1]


def test_batches_and_memory_map_give_the_same_neighbours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vectors = drawn(30, 1)
    np.save(tmp_path / "vectors.npy", vectors)
    rows, cosines = nearest(vectors, 6)
    monkeypatch.setattr(knn, "_BATCH_SCORES", 7 * 30)
    reported: list[int] = []
    mapped_rows, mapped_cosines = nearest(
        np.load(tmp_path / "vectors.npy", mmap_mode="r"), 6, lambda stage, done, total: reported.append(done)
    )
    np.testing.assert_array_equal(mapped_rows, rows)
    np.testing.assert_allclose(mapped_cosines, cosines, atol=1e-6)
    assert reported == [0, 7, 14, 21, 28]


def test_search_can_be_stopped() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        nearest(drawn(5, 0), 2, stop)
