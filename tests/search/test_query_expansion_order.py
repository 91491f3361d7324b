"""First results ranked again, and the rest behind them."""

from __future__ import annotations

import numpy as np

from workbench.search.query_expansion import append_rest, cosines
from workbench.search.ranking import Ranking


def ranking(rows: list[int], scores: list[float]) -> Ranking:
    return Ranking(np.array(rows, np.int64), np.array(scores, np.float32))


def test_the_rest_comes_lowered_just_below() -> None:
    found = ranking([4, 0, 2, 3, 1], [0.9, 0.8, 0.7, 0.7, 0.2])
    again = append_rest(ranking([0, 4], [0.5, 0.25]), found)
    assert again.rows.tolist() == [0, 4, 2, 3, 1]
    assert again.scores[1] == 0.25 > again.scores[2] == again.scores[3]
    np.testing.assert_allclose(again.scores, [0.5, 0.25, 0.25, 0.25, -0.25], atol=1e-6)


def test_the_rest_stays_where_it_is_below_already() -> None:
    again = append_rest(ranking([0], [0.95]), ranking([4, 0, 1], [0.9, 0.8, 0.2]))
    assert again.rows.tolist() == [0, 4, 1]
    np.testing.assert_array_equal(again.scores, np.array([0.95, 0.9, 0.2], np.float32))


def test_what_rounding_makes_equal_keeps_the_order_of_the_database() -> None:
    found = ranking([9, 3, 1], [0.5, 2e-9, 1e-9])
    again = append_rest(ranking([9], [-4.0]), found)
    assert again.rows.tolist() == [9, 1, 3] and again.scores[1] == again.scores[2] < -4


def test_all_or_none_ranked_again() -> None:
    found = ranking([1, 0], [0.5, 0.25])
    again = ranking([0, 1], [0.5, 0.25])
    assert append_rest(again, found).rows.tolist() == [0, 1]
    assert append_rest(ranking([], []), found).rows.tolist() == [1, 0]


def test_the_first_results_by_their_exact_cosines() -> None:
    database = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]], np.float32)
    first = cosines(np.array([0, 1], np.float32), database, ranking([1, 3, 0, 2], [3, 2, 1, 0]), 3)
    assert first.rows.tolist() == [3, 1, 0]
    np.testing.assert_allclose(first.scores, [0.8, 0.6, 0], atol=1e-7)
