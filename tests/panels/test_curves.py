"""Precision-recall curves compared with values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.evaluation.precision import average_precision, interpolated_precision
from workbench.evaluation.protocols import evaluate


def test_interpolated_precision_is_the_maximum_at_that_recall_or_above() -> None:
    # Positives have ranks 1, 4 and 5: precisions 1, 1/2 and 3/5.
    curve = interpolated_precision([0, 3, 4], 3)
    assert curve.shape == (101,)
    assert curve[: 33 + 1].tolist() == [1.0] * 34  # recalls up to 1/3
    assert curve[34:] == pytest.approx(3 / 5)  # 1/2 at recall 2/3 is lower than 3/5 at recall 1


def test_precision_is_zero_at_unreached_recall() -> None:
    # Two of four positives, at ranks 2 and 3: precisions 1/2 and 2/3, up to recall 1/2.
    curve = interpolated_precision([1, 2], 4)
    assert curve[:51] == pytest.approx(2 / 3)
    assert curve[51:].tolist() == [0.0] * 50
    assert interpolated_precision([], 2).tolist() == [0.0] * 101
    assert np.isnan(interpolated_precision([], 0)).all()


@given(st.sampled_from([1, 2, 4, 5, 10, 20, 25]), st.sets(st.integers(0, 60), max_size=25))
def test_curve_falls_and_its_area_is_the_mean_interpolated_precision(
    positives: int, candidates: set[int]
) -> None:
    ranks = sorted(candidates)[:positives]
    curve = interpolated_precision(ranks, positives)
    assert (np.diff(curve) <= 0).all()
    # A positive covers 100 / positives levels of recall, at the highest precision from its rank on.
    precision = [(i + 1) / (rank + 1) for i, rank in enumerate(ranks)]
    area = sum(max(precision[i:]) for i in range(len(ranks))) / positives
    assert curve[1:].mean() == pytest.approx(area)
    assert area >= average_precision(ranks, positives, "sum") - 1e-12


def test_mean_curve_omits_removed_images_and_queries_without_positives() -> None:
    ranks = [["junk", "a", "x", "b"], ["x", "c", "y", "d"], ["x", "y"]]
    truth = [
        {"junk": "junk", "a": "easy", "b": "hard"},
        {"c": "hard", "d": "hard"},
        {"x": "junk"},  # no positives
    ]
    curves = evaluate(ranks, truth, "revisited").curves
    # Easy: only the first query has a positive, which ranks first without the junk.
    assert curves["easy"].tolist() == [1.0] * 101
    # Medium: positives of the first query at ranks 1 and 3, of the second at 2 and 4.
    assert curves["medium"][:51] == pytest.approx((1 + 1 / 2) / 2)
    assert curves["medium"][51:] == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Hard: the easy image of the first query is removed too, so its hard image ranks second.
    assert curves["hard"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_query_is_removed_from_its_curve() -> None:
    curves = evaluate([["q", "x", "a"]], [{"self": "q", "a": "positive"}], "labels").curves
    assert curves[""].tolist() == [1 / 2] * 101


def test_curves_without_positives_are_empty() -> None:
    curves = evaluate([["x"]], [{}], "labels").curves
    assert all(math.isnan(value) for value in curves[""])
