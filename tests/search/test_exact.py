"""Exact search: ranking by inner product, in batches or at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.search import exact
from workbench.search.ranking import Ranking, sorted_ranking


def test_exact_search_matches_values_by_hand() -> None:
    database = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.6, 0.8]])
    scores = exact.scores(torch.tensor([[0.0, 1.0]]), database)
    np.testing.assert_allclose(scores, [[0.0, 0.8, 1.0, 0.8]])
    assert exact.rank(scores).tolist() == [[2, 1, 3, 0]]  # equal scores keep the order of the database


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_top_k_is_the_head_of_the_full_ranking_with_ties(n: int, k: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 4, (3, n)).astype(np.float32)
    np.testing.assert_array_equal(exact.first(scores, min(k, n)), exact.rank(scores)[:, :k])


def test_ranking_is_sorted_by_score_then_by_row() -> None:
    ranking = sorted_ranking(np.array([7, 3, -1, 5, 2]), np.array([0.5, 0.9, 0.7, np.nan, 0.5]))
    assert ranking.rows.tolist() == [3, 2, 7]
    assert ranking.scores.tolist() == pytest.approx([0.9, 0.5, 0.5])
    assert isinstance(ranking, Ranking)


@pytest.mark.parametrize("values", [3, 50, 2**20])
def test_top_k_of_a_long_row_is_the_head_of_the_full_ranking(values: int) -> None:
    scores = np.random.default_rng(0).integers(-values, values, (4, 5003)).astype(np.float32)
    for k in (1, 20, 100, 700):
        np.testing.assert_array_equal(exact.first(scores, k), exact.rank(scores)[:, :k])
