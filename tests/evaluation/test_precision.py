"""Average precision against hand-computed values, VGG's loop and the expectation of chance."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.evaluation.precision import average_precision, precision_at, recall_at


@pytest.mark.parametrize(
    ("ranks", "positives", "trapezoid", "total"),
    [
        ([0], 1, 1, 1),
        ([1], 1, (0 / 1 + 1 / 2) / 2, 1 / 2),
        ([0, 1, 2], 3, 1, 1),
        ([0, 2], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2, (1 + 2 / 3) / 2),
        ([2, 0], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2, (1 + 2 / 3) / 2),
        ([1, 3], 4, (1 / 4 + (1 / 3 + 2 / 4) / 2) / 4, (1 / 2 + 2 / 4) / 4),  # two are not ranked
        ([], 3, 0, 0),
    ],
)
def test_average_precision_by_hand(ranks: list[int], positives: int, trapezoid: float, total: float) -> None:
    assert average_precision(ranks, positives) == pytest.approx(trapezoid, abs=1e-15)
    assert average_precision(np.array(ranks), positives, "trapezoid") == pytest.approx(trapezoid, abs=1e-15)
    assert average_precision(ranks, positives, "sum") == pytest.approx(total, abs=1e-15)


def vgg_ap(hits: list[bool], positives: int) -> float:
    """Sum the trapezoids of the precision-recall curve along the ranking, as VGG's published C++ does."""
    recall_before, precision_before, area, positives_so_far = 0.0, 1.0, 0.0, 0
    for position, hit in enumerate(hits):
        positives_so_far += hit
        recall, precision = positives_so_far / positives, positives_so_far / (position + 1)
        area += (recall - recall_before) * (precision_before + precision) / 2
        recall_before, precision_before = recall, precision
    return area


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 5))
def test_the_trapezoid_variant_equals_the_published_loop(hits: list[bool], missing: int) -> None:
    positives = sum(hits) + missing
    ranks = np.flatnonzero(hits)
    if positives == 0:
        assert math.isnan(average_precision(ranks, 0))
    else:
        assert average_precision(ranks, positives) == pytest.approx(vgg_ap(hits, positives), abs=1e-12)


@pytest.mark.parametrize(("n", "r"), [(6, 1), (6, 3), (9, 4), (8, 8)])
def test_the_mean_over_all_rankings_is_the_expectation_of_chance(n: int, r: int) -> None:
    """The mean AP over all rankings is ((r-1)/(n-1) (n-H) + H)/n with H = 1+…+1/n (Bestgen 2015)."""
    harmonic = sum(1 / i for i in range(1, n + 1))
    expected = ((r - 1) / (n - 1) * (n - harmonic) + harmonic) / n
    values = [average_precision(ranks, r, "sum") for ranks in combinations(range(n), r)]
    assert np.mean(values) == pytest.approx(expected, abs=1e-12)


def test_precision_at_k_by_hand() -> None:
    # Three positives at ranks 1, 2 and 5 (from 1).
    ranks = [4, 0, 1]
    assert precision_at(ranks, 1) == 1
    assert precision_at(ranks, 4) == 2 / 4
    assert precision_at(ranks, 5) == 3 / 5
    assert precision_at(ranks, 10) == 3 / 5  # the last positive is at rank 5
    assert precision_at(ranks, 10, cap=False) == 3 / 10
    assert precision_at([], 10) == 0


def test_recall_at_k_by_hand() -> None:
    assert [recall_at([7, 3], k) for k in (1, 3, 4, 10)] == [0, 0, 1, 1]
    assert recall_at([], 5) == 0


@pytest.mark.parametrize(
    ("ranks", "positives", "message"),
    [
        ([0, 1], 1, "2 positives were found but only 1"),
        ([0], 0, "only 0 exist"),
        ([-1], 1, "negative"),
        ([3, 3], 5, "twice"),
        ([0.5], 1, "whole numbers"),
        ([[0, 1]], 2, "flat sequence"),
        ([0], -1, "positives -1"),
        ([0], 1.5, "positives 1.5"),
    ],
)
def test_invalid_ranks_are_reported(ranks: list[int], positives: int, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        average_precision(ranks, positives)


def test_an_invalid_variant_and_k_are_reported() -> None:
    with pytest.raises(WorkbenchError, match="valid: trapezoid, sum"):
        average_precision([0], 1, "11-point")  # type: ignore[arg-type]
    for measure in (precision_at, recall_at):
        with pytest.raises(WorkbenchError, match="k 0"):
            measure([0], 0)
