"""Rankings of moments as rankings of shots and videos, against values computed by hand."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.evaluation.moments import evaluate_groups, group_ranking, time_error
from workbench.evaluation.precision import average_precision


def test_a_group_ranks_as_its_best_moment() -> None:
    ranking = group_ranking([7, 3, 7, 5, 3], [0.9, 0.8, 0.7, 0.7, 0.1])
    assert ranking.groups.tolist() == [7, 3, 5] and ranking.best.tolist() == [0, 1, 3]
    assert ranking.scores.tolist() == [0.9, 0.8, 0.7]
    assert group_ranking([], []).groups.size == 0
    with pytest.raises(WorkbenchError, match="2 scores for 3 moments"):
        group_ranking([1, 1, 2], [0.5, 0.4])


def test_average_precision_over_shots() -> None:
    # Shots 4, 1, 9 and 2; 1 is junk and removed, so the positives 9 and 2 are second and third. A further
    # positive is not retrieved: (1/2 + 2/3) / 3. The other query's only positive is first.
    ranking = group_ranking([4, 4, 1, 9, 4, 2], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    scores = evaluate_groups(
        [ranking, ranking],
        [{9: "positive", 2: "positive", 1: "junk", 30: "positive"}, {4: "positive"}],
        ["p", "q"],
    )
    assert scores.per_query["ap"].tolist() == pytest.approx([(1 / 2 + 2 / 3) / 3, 1.0])
    assert scores.per_query["positives"].tolist() == [3, 1]
    assert scores.per_query["first_positive"].tolist() == [2, 1]
    assert scores.mean_ap == pytest.approx((7 / 18 + 1) / 2)


def test_equal_scores_count_with_their_expectation() -> None:
    ranking = group_ranking([1, 2], [0.5, 0.5])
    assert evaluate_groups([ranking], [{2: "positive"}], ["q"]).mean_ap == pytest.approx(0.75)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1))
def test_shots_of_one_moment_have_the_ap_of_moments(order: list[int], positives: set[int]) -> None:
    ranking = group_ranking(order, -np.arange(12.0))
    assert ranking.groups.tolist() == order
    ranks = [order.index(number) for number in positives]
    scores = evaluate_groups([ranking], [dict.fromkeys(positives, "positive")], ["q"])
    assert scores.mean_ap == pytest.approx(average_precision(ranks, len(positives), "sum"))


def test_the_time_error_is_the_distance_to_the_nearest_interval() -> None:
    intervals = [(10.0, 12.0), (20.0, 21.0)]
    assert time_error(11, intervals) == 0 and time_error(9.5, intervals) == 0.5
    assert time_error(15, intervals) == 3 and time_error(18.5, intervals) == 1.5
    assert isnan(time_error(1, []))
