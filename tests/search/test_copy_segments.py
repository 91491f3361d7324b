"""Copied segments from rankings of frames, with weights and alignments computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.search.copy_segments import AlignedSegment, candidates, copied_segments, without_overlaps
from workbench.search.ranking import Ranking, sorted_ranking
from workbench.search.temporal_alignment import Alignment


def ranking(scores: list[float]) -> Ranking:
    return sorted_ranking(np.arange(len(scores)), np.array(scores, np.float32))


def test_weight_is_the_part_of_the_similarity_above_the_floor() -> None:
    # Median 0.5, median absolute deviation 0.01: the floor is 0.5 + 2 · 1.4826 · 0.01 = 0.529652.
    scores = [0.49, 0.49, 0.5, 0.5, 0.5, 0.51, 0.51, 0.54, 0.8, 1.0, 0.48]
    pairs = candidates([ranking(scores)], len(scores))
    assert pairs.rows.tolist() == [9, 8]
    assert pairs.weights == pytest.approx([1, (0.8 - 0.529652) / (1 - 0.529652)], abs=1e-5)


def test_floor_is_at_most_half_way_to_the_highest_similarity() -> None:
    scores = [0.2, 0.2, 0.9, 0.9, 0.8, 1.0]  # the median is 0.85; the lowest tenth is 0.2
    pairs = candidates([ranking(scores)], len(scores))
    assert pairs.rows.tolist() == [5, 2, 3, 4]
    assert pairs.weights == pytest.approx([1, 0.75, 0.75, 0.5])


def test_floor_of_a_ranking_without_the_rest_is_its_last_similarity() -> None:
    pairs = candidates([ranking([0.9, 0.7, 0.6])], 1000)
    assert pairs.weights == pytest.approx([0.75, 0.25], abs=1e-6)
    assert not len(candidates([ranking([])], 10).rows)


def test_segments_of_two_videos_with_their_scores() -> None:
    videos, times = np.repeat([0, 1], 20), np.tile(np.arange(20.0), 2)
    rankings = []
    for second in range(8):  # 0…4 s are video 1 from 10 s, 4…8 s are video 0 from 2 s
        scores = np.full(40, 0.1)
        scores[:20:2] = 0.11  # a deviation that is not zero
        scores[20 + 10 + second if second < 4 else 2 + second - 4] = 0.9
        rankings.append(ranking(scores.tolist()))
    pairs = candidates(rankings, 40)
    segments = copied_segments(pairs, np.arange(8.0), videos, times, least=1)
    # The median is 0.1 and so is the floor, since more than half of the similarities are equal.
    weight = 0.8 / 0.9
    assert {(s.video, *s.alignment[:4]) for s in segments} == {(1, 0, 4, 10, 14), (0, 4, 8, 2, 6)}
    assert [s.alignment.score for s in segments] == pytest.approx([4 * weight] * 2, rel=0.02)


def segment(video: int, start: float, end: float, score: float) -> AlignedSegment:
    return AlignedSegment(video, Alignment(start, end, start + 5, end + 5, score, 1.0))


def test_weaker_segment_within_a_stronger_one_is_left_out() -> None:
    strong, within, other = segment(0, 0, 10, 9), segment(0, 1, 8, 5), segment(0, 8, 14, 4)
    assert without_overlaps([within, other, strong, segment(1, 0, 10, 3)]) == [
        strong,
        other,
        segment(1, 0, 10, 3),
    ]
