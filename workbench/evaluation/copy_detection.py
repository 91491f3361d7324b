"""Measures of copy detection: segments that were detected against segments that were copied.

A detected segment is right if its intersection over union with a copied segment is at least 0.5 in the
query and in the video, and no segment of a higher score was right for the same copied segment.
Douze, Jégou and Schmid (IEEE Transactions on Multimedia 2010) and Jiang, Jiang and Wang (VCDB, ECCV 2014)
judge segments by their overlap in both videos; the average precision over the detections of all queries
together is that of the Image Similarity Challenge (Douze et al. 2021), µAP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.collections.video.truth import CopiedSegment

IOU = 0.5  # of a right segment, at least


@dataclass(frozen=True)
class CopyMeasures:
    """Recall and precision after each detection, best first [n], and what follows from them.

    ``matches`` [n] is the number of the copied segment that each detection, in the given order, is right
    for; -1 for a wrong one. ``f1`` is the highest over all thresholds, and ``threshold`` the score there.
    """

    matches: np.ndarray
    recalls: np.ndarray
    precisions: np.ndarray
    average_precision: float
    f1: float
    precision: float
    recall: float
    threshold: float


def intersection_over_union(first: CopiedSegment, second: CopiedSegment) -> float:
    """The lower of the intersections over unions of two segments in the query and in the video.

    Zero if the query or the video is another.
    """
    if first.query != second.query or first.video != second.video:
        return 0.0
    return min(
        _overlap(first.query_start, first.query_end, second.query_start, second.query_end),
        _overlap(first.start, first.end, second.start, second.end),
    )


def copy_measures(
    detected: Sequence[CopiedSegment],
    scores: Sequence[float],
    copied: Sequence[CopiedSegment],
    iou: float = IOU,
) -> CopyMeasures:
    """The measures of detections of all queries with their scores, against all copied segments.

    Detections of one score count together: their order cannot be told. With no detection the precision is
    zero; without copied segments everything is zero.
    """
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    matches = np.full(len(detected), -1)
    free = dict.fromkeys(range(len(copied)))
    by_query: dict[str, list[int]] = {}
    for number, segment in enumerate(copied):
        by_query.setdefault(segment.query, []).append(number)
    for position in order:
        segment = detected[position]
        overlaps = {
            number: intersection_over_union(segment, copied[number])
            for number in by_query.get(segment.query, ())
            if number in free
        }
        best = max(overlaps, key=lambda number: overlaps[number], default=-1)
        if best >= 0 and overlaps[best] >= iou:
            matches[position] = best
            del free[best]
    right = np.cumsum(matches[order] >= 0)
    last = np.flatnonzero(np.r_[np.diff(values[order]) != 0, True]) if len(order) else order
    recalls = right[last] / max(1, len(copied))
    precisions = right[last] / (last + 1.0)
    average = float(np.sum(np.diff(recalls, prepend=0.0) * precisions))
    sums = precisions + recalls
    f1s = np.divide(2 * precisions * recalls, sums, out=np.zeros(len(sums)), where=sums > 0)
    if not len(f1s) or not f1s.max():
        return CopyMeasures(matches, recalls, precisions, 0.0, 0.0, 0.0, 0.0, float("inf"))
    top = int(f1s.argmax())
    threshold = float(values[order][last[top]])
    measures = float(f1s[top]), float(precisions[top]), float(recalls[top]), threshold
    return CopyMeasures(matches, recalls, precisions, average, *measures)


def _overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    union = max(end, other_end) - min(start, other_start)
    return max(0.0, min(end, other_end) - max(start, other_start)) / union if union > 0 else 0.0
