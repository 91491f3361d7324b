"""The nearest member of each set: against a plain loop, exactly and by codes; classes by hand."""

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
def test_as_a_plain_loop_finds_them(sizes: list[int], queries: int, seed: int) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    vectors, asked = unit(max(1, starts[-1]), seed), unit(queries, seed + 1)
    found = region_sets.build(vectors[: starts[-1]], starts, ()).nearest(asked)
    for number, (start, end) in enumerate(pairwise(starts)):
        if start == end:
            assert np.isinf(found.distances[:, number]).all()
            continue
        apart = ((asked[:, None] - vectors[None, start:end]) ** 2).sum(-1)
        np.testing.assert_allclose(found.distances[:, number], apart.min(1), atol=1e-5)
        assert found.rows[:, number].tolist() == (start + apart.argmin(1)).tolist()


def test_many_sets_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    starts, vectors, asked = np.arange(0, 101, 4), unit(100, 1), unit(3, 2)
    whole = region_sets.build(vectors, starts, ()).nearest(asked)
    monkeypatch.setattr(region_sets, "_BATCH_SIMILARITIES", 30)
    parts = region_sets.build(vectors, starts, ()).nearest(asked)
    np.testing.assert_allclose(parts.distances, whole.distances, atol=1e-6)
    assert (parts.rows == whole.rows).all()


@pytest.mark.parametrize("code", ["pq:4", "pq:2", "opq:4"])
@pytest.mark.parametrize("count", [60, 700])  # with few, codes are of less than 8 bits
def test_codes_measure_the_distance_to_what_they_stand_for(code: str, count: int) -> None:
    starts, vectors, asked = np.array([0, 9, 9, 40, count]), unit(count, 3), unit(5, 4)
    made = region_sets.build(vectors, starts, steps(code))
    found = made.nearest(asked)
    for number in (0, 2, 3):
        apart = ((asked[:, None] - made.members(number)[None]) ** 2).sum(-1)
        np.testing.assert_allclose(found.distances[:, number], apart.min(1), atol=1e-3)
    assert np.isinf(found.distances[:, 1]).all()
    assert np.abs(np.concatenate([made.members(n) for n in (0, 2, 3)]) - vectors).mean() < 0.2


def test_other_indexes_are_refused() -> None:
    with pytest.raises(WorkbenchError, match=r"index ivf:4.*valid: exact, pq:M, opq:M"):
        region_sets.build(unit(64, 0), np.array([0, 64]), steps("ivf:4"))


def test_classes_by_hand() -> None:
    """Two regions, three images of two classes and none of a third: the nearest of each class."""
    nearest = NearestMembers(
        np.array([[0.5, 0.2, 0.9], [0.1, 0.4, 0.3]], np.float32), np.array([[1, 5, 8], [2, 6, 7]])
    )
    found = nearest_by_class(nearest, np.array([2, 0, 2]), 3)
    np.testing.assert_allclose(found.distances, [[0.2, np.inf, 0.5], [0.4, np.inf, 0.1]])
    assert found.rows[:, [0, 2]].tolist() == [[5, 1], [6, 2]]
