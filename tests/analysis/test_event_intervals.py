"""Smoothing over time and intervals above a threshold, by hand and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis.event_intervals import intervals, smoothing
from workbench.analysis.events import automatic_threshold
from workbench.collections.video.cue import moment_intervals
from workbench.engine.moments import VideoMoments


def moments_at(seconds: list[float], end: float) -> VideoMoments:
    times = np.array(seconds)
    ids = tuple(f"a.mp4#t={second:.2f}" for second in seconds)
    return VideoMoments("a.mp4", ids, np.arange(len(times)), times, moment_intervals(times, end))


def test_smoothing_is_a_triangle_over_time() -> None:
    kernel = smoothing(np.arange(4.0), 2.0).toarray()
    assert kernel[1] == pytest.approx([0.25, 0.5, 0.25, 0])
    assert kernel[0] == pytest.approx([2 / 3, 1 / 3, 0, 0])  # at an end by the moments that there are
    # Of moments that are not evenly spaced, those farther away count less.
    assert smoothing(np.array([0.0, 0.5, 2.0]), 2.0).toarray()[0] == pytest.approx([4 / 7, 3 / 7, 0])
    for width in (0.0, 0.5):
        assert smoothing(np.arange(3.0), width).toarray() == pytest.approx(np.eye(3))


def test_intervals_reach_to_the_middle_between_moments_and_short_ones_are_left_out() -> None:
    moments = moments_at([0, 1, 2, 3, 4, 5, 6, 7], 8)
    scores = np.array([3.0, 3, 0, 5, 0, 2, 2.5, 2])
    events = intervals(moments, smoothing(moments.seconds, 0), scores, 2.0, 2.0)
    assert [event[:4] for event in events] == [(0.0, 1.5, 3.0, 0), (4.5, 8.0, 6.5 / 3, 6)]
    assert events[1].weights == pytest.approx([0, 0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3])
    one = intervals(moments, smoothing(moments.seconds, 0), scores, 2.0, 1.0)
    assert [event[:2] for event in one] == [(0, 1.5), (2.5, 3.5), (4.5, 8)]
    assert not intervals(moments, smoothing(moments.seconds, 0), scores, 9.0, 0.0)


def test_a_video_of_one_moment_is_as_long_as_the_video() -> None:
    moments = moments_at([0.0], 3.0)
    kernel = smoothing(moments.seconds, 2.0)
    assert [event[:2] for event in intervals(moments, kernel, np.ones(1), 0.5, 3.0)] == [(0.0, 3.0)]
    assert not intervals(moments, kernel, np.ones(1), 0.5, 3.5)


def test_threshold_is_two_deviations_or_less_for_frequent_events() -> None:
    rare = np.r_[np.zeros(99), 10.0]
    assert automatic_threshold(rare) == pytest.approx(0.1 + 2 * rare.std())
    frequent = np.array([0.0, 0, 1, 1])
    assert automatic_threshold(frequent) == pytest.approx(0.5 + 0.6 * 0.5)


@given(
    st.lists(st.floats(0.01, 5), min_size=1, max_size=30),
    st.floats(0, 6),
    st.floats(-1, 1),
    st.integers(0, 2**16),
)
def test_scores_of_events_are_weighted_sums(
    steps: list[float], width: float, threshold: float, seed: int
) -> None:
    seconds = np.cumsum(steps)
    values = np.random.default_rng(seed).normal(size=len(seconds))
    kernel = smoothing(seconds, width)
    assert kernel.sum(axis=1) == pytest.approx(np.ones(len(seconds)))
    smoothed = np.asarray(kernel @ values)
    moments = moments_at(seconds.tolist(), float(seconds[-1]) + 1)
    for event in intervals(moments, kernel, smoothed, threshold, 0.0):
        assert event.score == pytest.approx(float(event.weights @ values))
        assert event.score >= threshold - 1e-9 and event.weights.sum() == pytest.approx(1)
        assert event.start < event.end
