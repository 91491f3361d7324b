"""The nearest member of each set, exact and by codes, compared with a plain loop; classes by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step, parse_index
from workbench.engine.one import nearest_by_class
from workbench.search import region_sets
from workbench.search.region_sets import NearestMembers


def unit(count: int, seed: int, dimensions: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def steps(text: str) -> tuple[Step, ...]:
    return parse_index(text)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 99))
def test_nearest_members_match_a_plain_loop(sizes: list[int], queries: int, seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    vectors, query_vectors = unit(max(1, starts[-1]), seed), unit(queries, seed + 1)
    nearest = region_sets.build(vectors[: starts[-1]], starts, ()).nearest(query_vectors)
    for number, (start, end) in enumerate(pairwise(starts)):
        if start == end:
            assert np.isinf(nearest.distances[:, number]).all()
            continue
        distances = ((query_vectors[:, None] - vectors[None, start:end]) ** 2).sum(-1)
        np.testing.assert_allclose(nearest.distances[:, number], distances.min(1), atol=1e-5)
        assert nearest.rows[:, number].tolist() == (start + distances.argmin(1)).tolist()


def test_batches_of_sets_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    starts, vectors, query_vectors = np.arange(0, 101, 4), unit(100, 1), unit(3, 2)
    expected = region_sets.build(vectors, starts, ()).nearest(query_vectors)
    monkeypatch.setattr(region_sets, "_BATCH_SIMILARITIES", 30)
    parts = region_sets.build(vectors, starts, ()).nearest(query_vectors)
    np.testing.assert_allclose(parts.distances, expected.distances, atol=1e-6)
    assert (parts.rows == expected.rows).all()


@pytest.mark.parametrize("code", ["pq:4", "pq:2", "opq:4"])
@pytest.mark.parametrize("count", [60, 700])  # few vectors give codes of fewer than 8 bits
def test_code_distances_are_distances_to_decoded_vectors(code: str, count: int) -> None:
    starts, vectors, query_vectors = np.array([0, 9, 9, 40, count]), unit(count, 3), unit(5, 4)
    built = region_sets.build(vectors, starts, steps(code))
    nearest = built.nearest(query_vectors)
    for number in (0, 2, 3):
        distances = ((query_vectors[:, None] - built.members(number)[None]) ** 2).sum(-1)
        np.testing.assert_allclose(nearest.distances[:, number], distances.min(1), atol=1e-3)
    assert np.isinf(nearest.distances[:, 1]).all()
    assert np.abs(np.concatenate([built.members(n) for n in (0, 2, 3)]) - vectors).mean() < 0.2


def test_unsupported_indexes_are_rejected() -> None:
    with pytest.raises(WorkbenchError, match=r"index ivf:4.*valid: exact, pq:M, opq:M"):
        region_sets.build(unit(64, 0), np.array([0, 64]), steps("ivf:4"))


def test_nearest_by_class_matches_values_by_hand() -> None:
    """Two regions and three images of two classes; the third class has no image."""
    nearest = NearestMembers(
        np.array([[0.5, 0.2, 0.9], [0.1, 0.4, 0.3]], np.float32), np.array([[1, 5, 8], [2, 6, 7]])
    )
    by_class = nearest_by_class(nearest, np.array([2, 0, 2]), 3)
    np.testing.assert_allclose(by_class.distances, [[0.2, np.inf, 0.5], [0.4, np.inf, 0.1]])
    assert by_class.rows[:, [0, 2]].tolist() == [[5, 1], [6, 2]]
