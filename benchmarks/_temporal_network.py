"""Align a video with another one in time by the heaviest path through a network of similar frames.

The pairs of similar frames are nodes; an edge leads from a pair to a later one in both videos, at a plausible
speed. Dynamic programming gives the path with the highest sum of scores; its pairs, and those beside it, are
taken away, and the next path is sought (Tan, Ngo, Hong and Chua, *Scalable detection of partial
near-duplicate videos by visual-temporal consistency*, ACM Multimedia 2009; Jiang and Wang, *Partial copy
detection in videos: a benchmark and an evaluation of popular methods*, IEEE Transactions on Big Data 2016).
"""

from __future__ import annotations

import numpy as np

from workbench.search.temporal_alignment import GAP, MOST_LINES, TOLERANCE, Alignment

SLOWEST, FASTEST = 0.5, 2.0  # seconds of the video for one second of the query, between two pairs


def align_by_paths(
    query_times: np.ndarray,
    times: np.ndarray,
    scores: np.ndarray,
    period: float = 1.0,
    tolerance: float = TOLERANCE,
    gap: float = GAP,
    least: float = 0.0,
) -> list[Alignment]:
    """Align by pairs of similar frames [n], as ``align`` does; the speed of a segment need not be constant.

    Times of the video are exact to ``tolerance`` seconds; an edge is at most ``gap`` seconds long.
    """
    query_times, times, scores = (np.asarray(array, np.float64) for array in (query_times, times, scores))
    left = np.flatnonzero(scores > 0)
    segments: list[Alignment] = []
    for _ in range(MOST_LINES):
        if not len(left):
            break
        path = left[_heaviest_path(query_times[left], times[left], scores[left], tolerance, gap)]
        q, v = query_times[path], times[path]
        speed = float(np.polyfit(q, v, 1)[0]) if len(path) > 1 else 1.0
        score = float(scores[path].sum())
        if score < max(least, 1e-12):
            break
        segments.append(
            Alignment(
                float(q[0]),
                float(q[-1]) + period,
                float(v.min()),
                float(v.max()) + period * max(speed, SLOWEST),
                score,
                speed,
            )
        )
        inside = (query_times[left] >= q[0]) & (query_times[left] <= q[-1])
        beside = np.abs(np.interp(query_times[left], q, v) - times[left]) <= tolerance
        left = left[~(inside & beside)]
    return sorted(segments, key=lambda segment: -segment.score)


def _heaviest_path(
    query_times: np.ndarray, times: np.ndarray, scores: np.ndarray, tolerance: float, gap: float
) -> np.ndarray:
    """The pairs of the heaviest path, in the order of time."""
    order = np.lexsort((times, query_times))
    q, v, s = query_times[order], times[order], scores[order]
    total, before = s.copy(), np.full(len(s), -1)
    first = np.searchsorted(q, q - gap - 1e-9)
    for node in range(len(s)):
        earlier = slice(first[node], np.searchsorted(q, q[node] - 1e-9))
        across, up = v[node] - v[earlier], q[node] - q[earlier]
        linked = (
            (across > -1e-9) & (across >= SLOWEST * up - tolerance) & (across <= FASTEST * up + tolerance)
        )
        if linked.any():
            sums = np.where(linked, total[earlier], -np.inf)
            best = int(sums.argmax())
            total[node] += sums[best]
            before[node] = first[node] + best
    path = [int(total.argmax())]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return order[path[::-1]]
