"""Intervals of one video in which scores are high: smooth, cut at a threshold, leave out short ones.

Each step is linear or a choice of moments, so that the score of an interval is a weighted sum of the scores
of moments, which a recounting needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.common.lazy import lazy_module
from workbench.engine.moments import VideoMoments

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = lazy_module("scipy.sparse")


class Interval(NamedTuple):
    """The interval [``start``, ``end``) of a video in seconds, the mean ``score`` of its smoothed scores, and
    the number of the moment with the highest one. The mean is the sum of the scores of moments of the video,
    from the number ``first`` on, times ``weights`` [w]."""

    start: float
    end: float
    score: float
    peak: int
    first: int
    weights: NDArray[np.float64]


def smoothing(seconds: np.ndarray, width: float) -> sparse.csr_array:
    """The weights [n, n] by which scores at ``seconds`` [n] are smoothed: those of a moment sum to 1.

    They fall linearly with the distance in time, to zero at ``width`` seconds.
    """
    count = len(seconds)
    first = np.searchsorted(seconds, seconds - width, side="right")
    last = np.searchsorted(seconds, seconds + width, side="left")
    first, last = np.minimum(first, np.arange(count)), np.maximum(last, np.arange(count) + 1)
    sizes = last - first
    starts = np.r_[0, np.cumsum(sizes)]
    columns = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, sizes)
    rows = np.repeat(np.arange(count), sizes)
    distances = np.abs(seconds[columns] - seconds[rows])
    values = np.maximum(1 - distances / width, 0) if width > 0 else np.ones(len(rows))
    sums = np.add.reduceat(values, starts[:-1]) if count else np.zeros(0)
    return sparse.csr_array((values / np.repeat(sums, sizes), columns, starts), shape=(count, count))


def intervals(
    moments: VideoMoments,
    kernel: sparse.csr_array,
    smoothed: np.ndarray,
    threshold: float,
    min_seconds: float,
) -> list[Interval]:
    """The runs of moments whose ``smoothed`` scores [n] reach a threshold for ``min_seconds`` at least, in
    order of time; ``kernel`` are the weights of the smoothing."""
    above = np.r_[False, smoothed >= threshold, False].astype(np.int8)
    changes = np.diff(above)
    step = float(np.median(np.diff(moments.seconds))) if len(moments.seconds) > 1 else np.inf
    runs = []
    for first, last in zip(np.flatnonzero(changes == 1), np.flatnonzero(changes == -1) - 1, strict=True):
        start, end = float(moments.intervals[first, 0]), float(moments.intervals[last, 1])
        # A moment stands for a step of time; at the ends of a video only half of it is in the video.
        whole = float(moments.seconds[last] - moments.seconds[first]) + step
        if (whole if np.isfinite(whole) else end - start) < min_seconds - 1e-6:
            continue
        low = int(kernel.indices[kernel.indptr[first]])
        high = int(kernel.indices[kernel.indptr[last + 1] - 1]) + 1
        weights = np.asarray(kernel[first : last + 1].mean(axis=0), np.float64).ravel()[low:high].copy()
        peak = int(first + smoothed[first : last + 1].argmax())
        runs.append(Interval(start, end, float(smoothed[first : last + 1].mean()), peak, low, weights))
    return runs
