"""Alignment of videos in time, on pairs of frames whose lines are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.search.temporal_alignment import align


def test_one_copy_at_the_same_speed() -> None:
    times = np.arange(10.0)
    (segment,) = align(times, times + 5, np.full(10, 0.5))
    assert segment[:4] == pytest.approx((0, 10, 5, 15))
    assert segment.score == pytest.approx(5) and segment.speed == 1


def test_two_segments_of_one_query_are_told_apart() -> None:
    first, second = np.arange(10.0), np.arange(20.0, 26.0)
    segments = align(np.r_[first, second], np.r_[first + 40, second - 20], np.ones(16))
    assert [segment[:4] for segment in segments] == [
        pytest.approx((0, 10, 40, 50)),
        pytest.approx((20, 26, 0, 6)),
    ]


def test_gap_ends_a_segment() -> None:
    times = np.r_[np.arange(5.0), np.arange(12.0, 15.0)]
    assert [segment[:2] for segment in align(times, times, np.ones(8), gap=3)] == [(0, 5), (12, 15)]
    assert [segment[:2] for segment in align(times, times, np.ones(8), gap=9)] == [(0, 15)]


def test_no_pair_makes_no_segment() -> None:
    nothing = np.zeros(0)
    assert align(nothing, nothing, nothing) == []
    assert align(np.ones(3), np.ones(3), np.zeros(3)) == []
    assert align(np.zeros(1), np.zeros(1), np.ones(1), least=2) == []


@settings(max_examples=40)
@given(
    st.sampled_from([0.9, 0.95, 1.0, 1.05, 1.1]),
    st.floats(0, 100),
    st.integers(20, 60),
    st.integers(0, 2**32 - 1),
)
def test_line_is_found_among_as_many_random_pairs(
    speed: float, offset: float, length: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    query = np.arange(float(length))
    video = speed * query + offset + random.uniform(-0.25, 0.25, length)
    # Not beside the line, where lines of nearly its speed could take in more pairs than it has frames.
    noise_query = random.uniform(0, length, length)
    noise_video = speed * noise_query + offset + random.uniform(5, 300, length)
    segments = align(
        np.r_[query, noise_query], np.r_[video, noise_video], np.r_[np.ones(length), np.full(length, 0.7)]
    )
    best = segments[0]
    assert best.query_start <= 1 and best.query_end >= length - 1
    assert best.start == pytest.approx(offset, abs=1.6)
    assert best.end == pytest.approx(offset + speed * length, abs=2.1)
