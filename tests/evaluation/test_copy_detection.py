"""Measures of copy detection, computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collections.video.truth import CopiedSegment
from workbench.evaluation.copy_detection import copy_measures, intersection_over_union

FIRST = CopiedSegment("q", 0, 10, "a", 20, 30)
SECOND = CopiedSegment("r", 5, 15, "b", 0, 10)


def test_overlap_is_the_lower_one_of_query_and_video() -> None:
    shifted = FIRST._replace(query_start=2, start=25, end=35)
    assert intersection_over_union(FIRST, shifted) == pytest.approx(5 / 15)  # in the query 0.8
    assert intersection_over_union(FIRST, FIRST) == 1
    assert intersection_over_union(FIRST, FIRST._replace(video="b")) == 0
    assert intersection_over_union(FIRST, FIRST._replace(query="r")) == 0
    assert intersection_over_union(FIRST, FIRST._replace(start=30, end=40)) == 0


def test_precision_and_recall_over_the_detections_of_all_queries() -> None:
    wrong = CopiedSegment("r", 0, 5, "c", 0, 5)
    half = FIRST._replace(query_end=5, end=25)  # IoU 0.5: right
    detected = [half, wrong, SECOND, FIRST]  # FIRST comes last, when its segment is taken
    measures = copy_measures(detected, [9, 8, 7, 1], [FIRST, SECOND])
    assert measures.matches.tolist() == [0, -1, 1, -1]
    assert measures.recalls == pytest.approx([1 / 2, 1 / 2, 1, 1])
    assert measures.precisions == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert measures.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (measures.f1, measures.threshold) == (pytest.approx(4 / 5), 7)  # precision 2/3, recall 1
    assert (measures.precision, measures.recall) == (pytest.approx(2 / 3), 1)


def test_detections_of_one_score_count_together() -> None:
    wrong = SECOND._replace(video="z")
    measures = copy_measures([FIRST, wrong], [1, 1], [FIRST])
    assert measures.precisions == pytest.approx([1 / 2]) and measures.average_precision == pytest.approx(0.5)


def test_nothing_detected_or_nothing_copied() -> None:
    assert copy_measures([], [], [FIRST]).average_precision == 0
    nothing = copy_measures([FIRST], [1], [])
    assert (nothing.average_precision, nothing.f1, nothing.precision) == (0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), max_size=8), st.integers(0, 4))
def test_measures_are_shares_and_perfect_only_if_all_are_right(
    drawn: list[tuple[int, float]], count: int
) -> None:
    copied = [FIRST._replace(video=str(n)) for n in range(count)]
    measures = copy_measures(
        [FIRST._replace(video=str(n)) for n, _ in drawn], [score for _, score in drawn], copied
    )
    assert 0 <= measures.average_precision <= 1 and 0 <= measures.f1 <= 1
    assert (measures.matches >= 0).sum() <= count
    if {n for n, _ in drawn} == set(range(count)) and len(drawn) == count > 0:
        assert measures.average_precision == pytest.approx(1) and measures.f1 == pytest.approx(1)
