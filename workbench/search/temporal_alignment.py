"""Align a video with another one in time: from similar pairs of frames to pairs of segments.

A copy is played at a constant speed: its frames lie on a line, video time = speed × query time + offset.
Pairs of similar frames vote for lines (a Hough transform); the pairs near the strongest line make segments,
are taken away, and the next line is sought (Douze, Jégou and Schmid, *An image-based approach to video
copy detection with spatio-temporal post-filtering*, IEEE Transactions on Multimedia 2010, section V, which
has one speed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SPEEDS = tuple(np.round(np.linspace(0.8, 1.25, 19), 4).tolist())  # includes 1
TOLERANCE = 1.0  # seconds from a line
GAP = 3.0  # seconds without a match that end a segment
MOST_LINES = 20


class Alignment(NamedTuple):
    """A segment of the query and the segment that it is like, in seconds; ``score`` adds up its frames.

    Query time t is video time ``start + speed * (t - query_start)``.
    """

    query_start: float
    query_end: float
    start: float
    end: float
    score: float
    speed: float


def align(
    query_times: np.ndarray,
    times: np.ndarray,
    scores: np.ndarray,
    period: float = 1.0,
    speeds: Sequence[float] = SPEEDS,
    tolerance: float = TOLERANCE,
    gap: float = GAP,
    least: float = 0.0,
) -> list[Alignment]:
    """Align by pairs of similar frames [n]: their times in the query and in the video, and positive scores.

    ``period`` is the time that a frame stands for, in seconds. A segment ends where no frame of it matches
    for ``gap`` seconds. Alignments of a score of at least ``least``, the strongest first.
    """
    query_times, times, scores = (np.asarray(array, np.float64) for array in (query_times, times, scores))
    left = np.flatnonzero(scores > 0)
    found: list[Alignment] = []
    for _ in range(MOST_LINES):
        if not len(left):
            break
        speed, offset = _strongest_line(query_times[left], times[left], scores[left], speeds, tolerance)
        distance = np.abs(times[left] - speed * query_times[left] - offset)
        near = left[distance <= tolerance + 1e-9]
        if not len(near):
            break
        segments = _segments(query_times[near], times[near], scores[near], speed, period, gap)
        strong = [segment for segment in segments if segment.score >= max(least, 1e-12)]
        if not strong:
            break
        found += strong
        left = np.setdiff1d(left, near)
    return sorted(found, key=lambda segment: -segment.score)


def _strongest_line(
    query_times: np.ndarray,
    times: np.ndarray,
    scores: np.ndarray,
    speeds: Sequence[float],
    tolerance: float,
) -> tuple[float, float]:
    """The speed and the offset for which most scores lie within the tolerance; speed 1 wins ties."""
    best = (-1.0, 1.0, 0.0)
    for speed in sorted(speeds, key=lambda speed: abs(np.log(speed))):
        offsets = times - speed * query_times
        order = np.argsort(offsets, kind="stable")
        total = np.concatenate([[0.0], np.cumsum(scores[order])])
        # Windows of twice the tolerance that begin at each pair.
        ends = np.searchsorted(offsets[order], offsets[order] + 2 * tolerance, side="right")
        votes = total[ends] - total[:-1]
        first = int(votes.argmax())
        if votes[first] > best[0] * (1 + 1e-9):
            inside = offsets[order[first : ends[first]]]
            # The middle, from which no pair of the window is further than the tolerance.
            best = float(votes[first]), float(speed), float(inside[0] + inside[-1]) / 2
    return best[1], best[2]


def _segments(
    query_times: np.ndarray, times: np.ndarray, scores: np.ndarray, speed: float, period: float, gap: float
) -> list[Alignment]:
    """The runs of pairs near a line, without gaps; of the pairs of one query frame the best one counts."""
    order = np.lexsort((-scores, query_times))
    order = order[np.r_[True, np.diff(query_times[order]) > 1e-9]]
    runs = np.split(order, np.flatnonzero(np.diff(query_times[order]) > gap) + 1)
    return [
        Alignment(
            float(query_times[run[0]]),
            float(query_times[run[-1]]) + period,
            float(times[run].min()),
            float(times[run].max()) + period * speed,
            float(scores[run].sum()),
            speed,
        )
        for run in runs
    ]
