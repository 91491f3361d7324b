"""The order of re-ranked first results and of the results after them."""

from __future__ import annotations

import numpy as np

from workbench.search.query_expansion import append_rest, cosines
from workbench.search.ranking import Ranking


def ranking(rows: list[int], scores: list[float]) -> Ranking:
    return Ranking(np.array(rows, np.int64), np.array(scores, np.float32))


def test_other_results_are_lowered_below_the_reranked() -> None:
    before = ranking([4, 0, 2, 3, 1], [0.9, 0.8, 0.7, 0.7, 0.2])
    after = append_rest(ranking([0, 4], [0.5, 0.25]), before)
    assert after.rows.tolist() == [0, 4, 2, 3, 1]
    assert after.scores[1] == 0.25 > after.scores[2] == after.scores[3]
    np.testing.assert_allclose(after.scores, [0.5, 0.25, 0.25, 0.25, -0.25], atol=1e-6)


def test_other_results_below_the_reranked_keep_their_scores() -> None:
    after = append_rest(ranking([0], [0.95]), ranking([4, 0, 1], [0.9, 0.8, 0.2]))
    assert after.rows.tolist() == [0, 4, 1]
    np.testing.assert_array_equal(after.scores, np.array([0.95, 0.9, 0.2], np.float32))


def test_scores_equal_after_rounding_keep_the_order_of_the_database() -> None:
    before = ranking([9, 3, 1], [0.5, 2e-9, 1e-9])
    after = append_rest(ranking([9], [-4.0]), before)
    assert after.rows.tolist() == [9, 1, 3] and after.scores[1] == after.scores[2] < -4


def test_all_or_no_results_can_be_reranked() -> None:
    before = ranking([1, 0], [0.5, 0.25])
    reranked = ranking([0, 1], [0.5, 0.25])
    assert append_rest(reranked, before).rows.tolist() == [0, 1]
    assert append_rest(ranking([], []), before).rows.tolist() == [1, 0]


def test_first_results_have_exact_cosines() -> None:
    database = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]], np.float32)
    first = cosines(np.array([0, 1], np.float32), database, ranking([1, 3, 0, 2], [3, 2, 1, 0]), 3)
    assert first.rows.tolist() == [3, 1, 0]
    np.testing.assert_allclose(first.scores, [0.8, 0.6, 0], atol=1e-7)
