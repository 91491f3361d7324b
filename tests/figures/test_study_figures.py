"""Histograms of scores, and precision over facts: values by hand, titles, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.studies import factors_of, scores_of
from workbench.config.errors import WorkbenchError
from workbench.evaluation.intervals import mean_interval
from workbench.figures.ap_factors import BINS, MOST
from workbench.figures.score_histogram import BINS as SCORE_BINS


def test_histogram_is_the_share_of_each_class() -> None:
    figure = scores_of([0.9, 1.0], [0.0, 0.0, 0.1, 1.0], [0.5]).figure()
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == {"positives, n = 2", "negatives, n = 4", "junk (ignored), n = 1"}
    positives, negatives = by_name["positives, n = 2"], by_name["negatives, n = 4"]
    assert len(positives.x) == SCORE_BINS and positives.x[0] == pytest.approx(0.5 / SCORE_BINS)
    assert positives.y[-1] == 50 and sum(positives.y) == pytest.approx(100)
    assert negatives.y[0] == 50 and negatives.y[-1] == 25
    assert positives.hovertext[-1] == "50.0 % of positives<br>score 0.98 to 1.00"
    # 0.9 is above three of four, 1.0 above three and equal to one: 6.5 of 8 pairs.
    subtitle = figure.layout.title.subtitle.text
    assert "AUC 0.812" in subtitle and "n = 3 queries" in subtitle and "photos" in subtitle
    assert len({trace.line.dash for trace in figure.data}) == 3


def test_histogram_of_bad_input() -> None:
    assert "No positive was ranked" in scores_of([], [0.1]).figure().layout.annotations[0].text
    equal = scores_of([0.5], [0.5])
    assert sum(equal.figure().data[0].y) == 100 and equal.auc == 0.5
    assert "AUC" not in scores_of([0.5, 0.7], []).figure().layout.title.subtitle.text


def test_precision_over_visible_share_with_means_of_bins() -> None:
    visible = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9, 1.0], 2)
    precision = np.tile([0.2, 0.6], 6)
    figure = factors_of(visible=visible, precision=precision).figure()
    points, means = figure.data
    assert list(points.x) == pytest.approx(100 * visible) and list(points.y) == pytest.approx(100 * precision)
    assert list(points.ids)[:2] == ["i0", "i1"]
    assert len(means.x) == BINS
    assert list(means.x) == pytest.approx([10, 30, 50, 70, 90, 100]) and np.allclose(means.y, 40)
    low, high = mean_interval([20, 60])
    assert means.error_y.array[0] == pytest.approx(high - 40)
    assert means.error_y.arrayminus[0] == pytest.approx(40 - low)
    assert "n = 12 positives of 6 queries" in figure.layout.title.subtitle.text
    assert "%" in figure.layout.xaxis.title.text and "%" in figure.layout.yaxis.title.text
    assert "query q0, rank 1" in points.hovertext[0] and "not ranked" in points.hovertext[-1]


def test_facts_of_queries_have_a_point_a_query() -> None:
    figure = factors_of(precision=[0.2, 0.6, 1.0, 0.0], positives=[2, 2, 2, 2]).figure("positives")
    points, means = figure.data
    assert list(points.x) == [2, 2] and list(points.y) == pytest.approx([40, 50])
    assert list(points.ids) == ["q0", "q1"]
    assert list(means.x) == [2] and list(means.y) == pytest.approx([45])
    assert "AP by number of positives" in figure.layout.title.text
    assert "n = 2 queries" in figure.layout.title.subtitle.text


def test_of_very_many_positives_an_even_selection_is_drawn() -> None:
    count = 2 * MOST
    figure = factors_of(visible=np.arange(count) / count, precision=np.zeros(count)).figure()
    points, _ = figure.data
    assert points.type == "scattergl" and len(points.x) == MOST
    assert (points.x.min(), points.x.max()) == (0, pytest.approx(100 * (1 - 1 / count)))
    assert f"{MOST:,} points drawn" in figure.layout.title.subtitle.text


def test_facts_that_are_unknown_are_said() -> None:
    factors = factors_of(precision=[0.5, 0.5], positives=[2, 2])
    text = factors.figure().layout.annotations[0].text
    assert (
        text
        == "The ground truth of photos does not tell the visible share of the target. It tells: positives."
    )
    with pytest.raises(WorkbenchError, match=r"'weight' is not a fact.*visible, size, tilt"):
        factors.figure("weight")
    assert "does not tell" in factors_of(precision=[]).figure().layout.annotations[0].text
