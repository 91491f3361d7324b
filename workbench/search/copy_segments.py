"""Copied segments of one video, from the rankings of its frames.

The similarity of a frame is counted above the similarity that unrelated frames reach: the floor. The pairs of
frames above it are aligned in time, for each video of the database on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.search.ranking import Ranking
from workbench.search.temporal_alignment import GAP, TOLERANCE, Alignment, align

DEVIATIONS = 2.0  # of the similarities to a frame, from their median to the floor
LEAST = 0.15  # weight of a pair: weaker ones would lengthen segments
FEWEST = 2  # frames of the query that a segment needs
MOST_VIDEOS = 200  # that are aligned: those with the highest sums of their frames
_NORMAL = 1.4826  # standard deviation of a normal distribution, in median absolute deviations


class Candidates(NamedTuple):
    """Pairs of similar frames [n]: the number of the query's frame, the row of the database, and the weight.

    Of a weight in (0, 1], zero is the floor and one the highest similarity there is.
    """

    frames: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


class AlignedSegment(NamedTuple):
    """The number of a video of the database, and the segment of it that is like a segment of the query."""

    video: int
    alignment: Alignment


def candidates(rankings: Sequence[Ranking], size: int, highest: float = 1.0) -> Candidates:
    """The pairs of frames clearly above the floors, from rankings of a database of ``size`` rows.

    The floor of a frame is ``DEVIATIONS`` robust standard deviations above the median of its similarities,
    at most half way from their lowest tenth to ``highest``, the similarity of identical frames: most of a
    small database may be copies. If a ranking has only the most similar rows, its floor is the last of them.
    """
    frames, rows, weights = [], [], []
    for frame, ranking in enumerate(rankings):
        scores = ranking.scores.astype(np.float64)
        if not len(scores):
            continue
        floor = similarity_floor(scores, highest) if len(scores) >= size else float(scores[-1])
        if floor >= highest:
            continue
        weight = (scores - floor) / (highest - floor)
        above = weight >= LEAST
        frames.append(np.full(int(above.sum()), frame))
        rows.append(ranking.rows[above])
        weights.append(weight[above].clip(max=1))
    if not frames:
        return Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Candidates(np.concatenate(frames), np.concatenate(rows), np.concatenate(weights))


def similarity_floor(scores: np.ndarray, highest: float) -> float:
    """The similarity to one frame that unrelated frames seldom reach: see ``candidates``."""
    low, middle = (float(value) for value in np.percentile(scores, [10, 50]))
    spread = _NORMAL * float(np.median(np.abs(scores - middle)))
    return min(middle + DEVIATIONS * spread, (low + highest) / 2)


def copied_segments(
    pairs: Candidates,
    query_times: np.ndarray,
    videos: np.ndarray,
    times: np.ndarray,
    period: float = 1.0,
    sampling: float = 1.0,
    least: float = 0.0,
) -> list[AlignedSegment]:
    """The segments of all videos that pairs of frames align to, the strongest first.

    ``videos`` [N] and ``times`` [N] are the number of the video and the seconds of each row; ``period`` and
    ``sampling`` are the seconds between frames of the query and of the database. A score adds up the weights
    of the frames times ``period``: a segment that is copied without a change scores its length in seconds.
    """
    if not len(pairs.rows):
        return []
    numbers = videos[pairs.rows]
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    sums = [_best_sum(pairs, group) for group in groups]
    chosen = [
        position for position in np.argsort(sums)[::-1][:MOST_VIDEOS] if sums[position] * period >= least
    ]
    spread = max(period, sampling)
    segments = []
    for position in chosen:
        group = groups[position]
        for alignment in align(
            query_times[pairs.frames[group]],
            times[pairs.rows[group]],
            pairs.weights[group] * period,
            period,
            tolerance=TOLERANCE * spread,
            gap=GAP * spread,
            least=least,
        ):
            if alignment.query_end - alignment.query_start >= (FEWEST - 0.5) * period:
                segments.append(AlignedSegment(int(numbers[group[0]]), alignment))
    return sorted(segments, key=lambda segment: -segment.alignment.score)


def without_overlaps(segments: Sequence[AlignedSegment], most: float = 0.5) -> list[AlignedSegment]:
    """The segments, the strongest first, without those that mostly repeat a stronger one.

    Those lie by more than ``most`` of their length, in both videos, within the stronger segment.
    """
    kept: list[AlignedSegment] = []
    for segment in sorted(segments, key=lambda segment: -segment.alignment.score):
        one = segment.alignment
        for other in kept:
            if other.video != segment.video:
                continue
            two = other.alignment
            if (
                _share(one.query_start, one.query_end, two.query_start, two.query_end) > most
                and _share(one.start, one.end, two.start, two.end) > most
            ):
                break
        else:
            kept.append(segment)
    return kept


def _share(start: float, end: float, other_start: float, other_end: float) -> float:
    return max(0.0, min(end, other_end) - max(start, other_start)) / max(end - start, 1e-9)


def _best_sum(pairs: Candidates, group: np.ndarray) -> float:
    """The sum over frames of the query of the highest weight of each: no alignment can score more."""
    order = group[np.lexsort((-pairs.weights[group], pairs.frames[group]))]
    first = np.r_[True, np.diff(pairs.frames[order]) != 0]
    return float(pairs.weights[order][first].sum())
