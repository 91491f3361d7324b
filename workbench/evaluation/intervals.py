"""Confidence intervals of a mean by resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.config.errors import WorkbenchError

SAMPLES = 10_000
_MANY = 1_000  # values from which the resampled mean is normal to well under a tenth of a percent
_NORMAL_QUANTILE = 1.959964  # the 97.5 % quantile of the standard normal distribution
_BLOCK = 2_000_000  # numbers drawn at once, to bound memory


def mean_interval(
    values: ArrayLike, samples: int = SAMPLES, seed: int | np.random.Generator = 0
) -> tuple[float, float]:
    """The 95 % interval ``(low, high)`` of the mean of values [n]; NaNs are dropped.

    It holds the middle 95 % of the mean under resampling of the values (percentile bootstrap; Efron, 1979;
    for queries Sakai, SIGIR 2006). From 1,000 values on it is the limit of that distribution, mean ±
    1.96·σ/√n, which takes no resampling. With fewer than two values both ends are NaN.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise WorkbenchError(f"the interval of a mean needs values [n], not an array of shape {sample.shape}")
    sample = sample[~np.isnan(sample)]
    if sample.size < 2:
        return np.nan, np.nan
    if sample.size >= _MANY:
        half = _NORMAL_QUANTILE * float(sample.std()) / np.sqrt(sample.size)
        return float(sample.mean() - half), float(sample.mean() + half)
    rng = np.random.default_rng(seed)
    means = draw_in_blocks(
        lambda n: sample[rng.integers(0, sample.size, (n, sample.size))].mean(axis=1), samples, sample.size
    )
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    return low, high


def share_interval(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share, ``count`` of ``total`` (Wilson, 1927); NaN of none."""
    if total < 1:
        return np.nan, np.nan
    share, square = count / total, _NORMAL_QUANTILE**2 / total
    centre = share + square / 2
    half = float(np.sqrt(square * (share * (1 - share) + square / 4)))
    return max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))


def draw_in_blocks(
    draw: Callable[[int], NDArray[np.float64]], samples: int, size: int
) -> NDArray[np.float64]:
    """``samples`` results of ``draw(n)``, which draws n × ``size`` numbers, a bounded number at a time."""
    block = max(1, _BLOCK // size)
    return np.concatenate([draw(min(block, samples - start)) for start in range(0, samples, block)])


def mean_intervals(samples: Sequence[NDArray[np.floating]]) -> tuple[NDArray[np.float64], ...]:
    """The means of several samples without NaNs, and both ends of their intervals: [n] each.

    Where there is no interval, as of a single value, both ends are the mean.
    """
    means = np.array([np.mean(values) for values in samples])
    intervals = np.array([mean_interval(values) for values in samples]).reshape(-1, 2)
    low, high = np.where(np.isnan(intervals), means[:, None], intervals).T
    return means, low, high
