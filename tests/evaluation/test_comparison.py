"""Paired comparison against exact enumeration, closed forms and hand-made cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.evaluations import evaluation_of
from workbench.config.errors import WorkbenchError
from workbench.evaluation.comparison import Comparison, paired_difference

nan = math.nan


def test_p_values_of_few_queries_enumerate_all_sign_patterns() -> None:
    # Three queries, all improved: of the 8 sign patterns +++ and --- reach the mean, so p = 2/8.
    result = paired_difference([0.1, 0.2, 0.3], [0.3, 0.3, 0.7])
    assert result.p_value == pytest.approx(2 / 8)
    assert result.mean == pytest.approx((0.2 + 0.1 + 0.4) / 3)
    assert (result.better, result.worse, result.equal) == (3, 0, 0)
    # +0.3, -0.1: |sum| is 0.2 or 0.4 under every pattern, so p = 1.
    assert paired_difference([0.0, 0.1], [0.3, 0.0]).p_value == 1
    # +4, +3, -1 (sum 6): of the pairs of patterns |8|, |6|, |2|, |0|, two reach 6.
    assert paired_difference([0, 0, 0.1], [0.4, 0.3, 0]).p_value == pytest.approx(4 / 8)


def test_sampled_p_value_and_interval_agree_with_the_normal_limit() -> None:
    # 400 differences of equal size, 220 up and 180 down: z = 40/20 = 2, two-sided p about 0.0455
    # (with the step of 2 between sums: P(|S| ≥ 40) = P(|z| ≥ 39/20) = 0.0512).
    differences = np.repeat([0.01, -0.01], [220, 180])
    result = paired_difference(np.zeros(400), differences, samples=40_000)
    assert result.p_value == pytest.approx(0.0512, abs=0.005)
    # The bootstrap's mean has deviation 0.01·sqrt(1 − 0.1²)/20.
    deviation = 0.01 * math.sqrt(1 - 0.1**2) / 20
    assert result.low == pytest.approx(0.001 - 1.96 * deviation, abs=deviation / 10)
    assert result.high == pytest.approx(0.001 + 1.96 * deviation, abs=deviation / 10)


def test_a_sampled_p_value_is_never_zero() -> None:
    result = paired_difference(np.zeros(60), np.linspace(0.1, 0.2, 60), samples=999)
    assert result.p_value == 1 / 1000


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_swapping_the_pipelines_negates_the_difference(pairs: list[tuple[float, float]]) -> None:
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    forward, backward = paired_difference(a, b, samples=200), paired_difference(b, a, samples=200)
    assert (forward.better, forward.worse, forward.equal) == (backward.worse, backward.better, backward.equal)
    assert forward.mean == pytest.approx(-backward.mean, nan_ok=True)
    assert forward.p_value == pytest.approx(backward.p_value, nan_ok=True)
    assert forward.low == pytest.approx(-backward.high, nan_ok=True)
    if len(pairs) > 1:
        assert forward.low <= forward.mean + 1e-12
        assert forward.mean <= forward.high + 1e-12
        assert 0 < forward.p_value <= 1


def test_pairs_with_nan_are_dropped() -> None:
    with_nan = paired_difference([0.1, nan, 0.5, 0.2], [0.3, 0.9, nan, 0.1])
    assert with_nan == paired_difference([0.1, 0.2], [0.3, 0.1])
    assert (with_nan.better, with_nan.worse) == (1, 1)


def test_a_single_query_and_no_query() -> None:
    single = paired_difference([0.2], [0.6])
    assert (single.mean, single.p_value, single.better) == (pytest.approx(0.4), 1, 1)
    assert math.isnan(single.low)
    assert single.sentence() == (
        "B: +40.0 mAP (one query: no interval); higher on 1 query, lower on 0, equal on 0"
    )
    empty = paired_difference([nan], [0.6])
    assert math.isnan(empty.mean)
    assert "cannot be compared" in empty.sentence()


def test_equal_pipelines_have_a_zero_difference_and_p_value_one() -> None:
    difference = paired_difference([0.4] * 30, [0.4] * 30)
    assert (difference.mean, difference.low, difference.high, difference.p_value, difference.equal) == (
        0,
        0,
        0,
        1,
        30,
    )


def test_the_sentence_says_whether_the_mean_is_more_than_chance() -> None:
    assert "−10.0 mAP on average (95 % interval −10.0 to −10.0), more than chance explains (p < 0.001)" in (
        paired_difference([0.5] * 30, [0.4] * 30).sentence()
    )
    equal = paired_difference([0.5, 0.3], [0.5, 0.3]).sentence()
    assert equal.startswith("B: 0.0 mAP on average (95 % interval 0.0 to 0.0), no difference (p = 1)")
    # Four of four in one direction: the interval is above zero, but 2 of the 16 patterns are as extreme.
    few = paired_difference([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5])
    assert few.p_value == pytest.approx(2 / 16) and few.low > 0
    assert "at the edge of what chance explains (p = 0.12)" in few.sentence()


def test_the_sentence_states_counts_difference_and_p_value() -> None:
    sentence = paired_difference([0.5, 0.5, 0.5, 0.5], [0.6, 0.7, 0.5, 0.4]).sentence("crow")
    # Signs of 1, 2, 0, -1: |sum| of at least 2 in 12 of the 16 patterns (4: 4, 2: 8).
    assert sentence.startswith("crow: +5.0 mAP on average (95 % interval ")
    assert sentence.endswith(
        "no more than chance explains (p = 0.75); higher on 2 queries, lower on 1, equal on 1"
    )


def test_comparison_pairs_by_query() -> None:
    a = evaluation_of("net/max/whole", {"x": 0.1, "y": 0.5, "z": nan})
    b = evaluation_of("net/mean/whole", {"z": 0.9, "y": 0.7, "x": 0.2})
    comparison = Comparison([a, b])
    assert comparison.per_query.T["y"].tolist() == [0.5, 0.7]
    assert comparison.table["pipeline"].tolist() == ["net/max/whole", "net/mean/whole"]
    assert comparison.table["mean_ap"].tolist() == pytest.approx([0.3, 0.6])
    by_name, by_position = (
        comparison.difference("net/max/whole", "net/mean/whole"),
        comparison.difference(0, -1),
    )
    assert by_name == by_position
    assert by_name.mean == pytest.approx(0.15)  # z has no AP in the first
    with pytest.raises(WorkbenchError, match="not in this comparison"):
        comparison.difference(0, 2)


def test_queries_are_paired_by_name_in_a_setting() -> None:
    pair = [
        evaluation_of("net/max/whole", {"x": 0.2, "y": 0.9, "z": nan}, protocol="revisited"),
        evaluation_of("net/mean/whole", {"y": 0.5, "x": 0.4, "z": 0.3}, protocol="revisited"),
    ]
    aps = Comparison(pair).aps("hard").dropna()
    assert aps["net/mean/whole"].to_dict() == {"x": 0.2, "y": 0.25}
    with pytest.raises(WorkbenchError, match="valid: medium, hard, easy"):
        Comparison(pair).aps("tiny")


def test_evaluations_that_are_not_comparable_are_refused() -> None:
    a = evaluation_of("net/max/whole", {"x": 0.1})
    with pytest.raises(WorkbenchError, match="twice"):
        Comparison([a, a])
    with pytest.raises(WorkbenchError, match="same queries"):
        Comparison([a, evaluation_of("net/mean/whole", {"y": 0.1})])
    other = evaluation_of("net/mean/whole", {"x": 0.1}, protocol="oxford")
    with pytest.raises(WorkbenchError, match="by the same protocol"):
        Comparison([a, other])
    with pytest.raises(WorkbenchError, match="shapes"):
        paired_difference([0.1], [0.1, 0.2])
