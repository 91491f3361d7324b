"""Facility location: small cases by hand and by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.search.facility_location import GUARANTEE, choose, coverage

MATRICES = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([-0.5, 0, 0.1, 0.25, 0.5, 0.75, 1]))
)


def test_gains_are_those_computed_by_hand() -> None:
    similarities = np.array([[1, 0.5, 0, 0], [0.5, 1, 0.5, 0], [0, 0.5, 1, 0], [0, 0, 0, 1]], np.float32)
    chosen = choose(similarities, 4)
    # The second covers 2 of 4; then the last adds 1, the first and the third ½ each.
    assert chosen.rows.tolist() == [1, 3, 0, 2]
    assert chosen.coverage == pytest.approx([2 / 4, 3 / 4, 3.5 / 4, 1])
    # No candidate covers more than 2, and no two more than 2 + 1.5; all four cover 4.
    assert chosen.bounds == pytest.approx([2 / 4, 3.5 / 4, 1, 1])


def test_all_candidates_are_chosen_if_there_are_fewer() -> None:
    chosen = choose(np.eye(3, dtype=np.float32), 10)
    assert sorted(chosen.rows) == [0, 1, 2] and chosen.coverage[-1] == 1


@given(MATRICES, st.integers(1, 5))
def test_greedy_reaches_its_guarantee_and_no_choice_exceeds_the_bound(
    similarities: np.ndarray, k: int
) -> None:
    chosen = choose(similarities, k)
    assert len(set(chosen.rows.tolist())) == len(chosen.rows) == min(k, len(similarities))
    for size, (reached, bound) in enumerate(zip(chosen.coverage, chosen.bounds, strict=True), start=1):
        best = max(
            coverage(similarities, np.array(rows)) for rows in combinations(range(len(similarities)), size)
        )
        assert reached == pytest.approx(coverage(similarities, chosen.rows[:size]))
        assert reached >= GUARANTEE * best - 1e-6
        assert best <= bound + 1e-6


@given(MATRICES, st.integers(1, 5))
def test_each_choice_has_the_largest_gain(similarities: np.ndarray, k: int) -> None:
    chosen = choose(similarities, k)
    for size in range(len(chosen.rows)):
        others = [row for row in range(len(similarities)) if row not in chosen.rows[:size]]
        gains = [coverage(similarities, np.r_[chosen.rows[:size], row]) for row in others]
        assert chosen.coverage[size] == pytest.approx(max(gains), abs=1e-6)
