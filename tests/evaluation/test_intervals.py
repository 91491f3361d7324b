"""The interval of a mean against enumeration, the normal limit and cases without one."""

import math

import numpy as np
import pytest

from workbench.config.errors import WorkbenchError
from workbench.evaluation.intervals import mean_interval


def test_the_interval_of_a_few_values_is_that_of_all_resamples() -> None:
    # Of (0, 1) the resampled means are 0, 0.5 and 1 with 1/4, 1/2 and 1/4.
    assert mean_interval([0, 1]) == (0, 1)
    # Of (0, 0, 0, 0, 1) the mean is k/5 with k binomial (5, 0.2): P(k = 0) = 0.33, P(k ≤ 2) = 0.942,
    # P(k ≤ 3) = 0.993.
    assert mean_interval([0, 0, 0, 0, 1]) == pytest.approx((0, 3 / 5))


def test_the_interval_of_many_values_continues_that_of_fewer() -> None:
    values = np.random.default_rng(1).beta(0.5, 0.5, 1_100)
    fewer, more = mean_interval(values[:999]), mean_interval(values[:1_000])
    assert fewer == pytest.approx(more, abs=0.001)
    half = 1.959964 * values[:1_000].std() / math.sqrt(1_000)
    assert more == pytest.approx((values[:1_000].mean() - half, values[:1_000].mean() + half))


def test_values_that_are_missing_are_dropped() -> None:
    assert mean_interval([0.2, math.nan, 0.4, 0.9]) == mean_interval([0.2, 0.4, 0.9])


@pytest.mark.parametrize("values", [[], [0.5], [math.nan, 0.5]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    assert all(map(math.isnan, mean_interval(values)))


def test_a_table_is_refused() -> None:
    with pytest.raises(WorkbenchError, match=r"\(2, 3\)"):
        mean_interval(np.zeros((2, 3)))
