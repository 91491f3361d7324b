"""Measures of a ranking in which results have equal scores: their expectation and their bounds.

The order of results with equal scores is arbitrary, so a measure must not depend on it. Its expectation over
all orders of these results, which are equally likely, has a closed form (McSherry and Najork, ECIR 2008). The
bounds are the measures of the least and the most favourable order.
"""

from __future__ import annotations

from math import comb
from typing import Literal, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.common.lazy import lazy_module
from workbench.config.errors import WorkbenchError
from workbench.evaluation.precision import interpolate

special = lazy_module("scipy.special")


class TieGroups(NamedTuple):
    """The groups of equal scores in a ranking that contain a positive, best first, int64 [g] each.

    ``starts`` are the numbers of results before each group, ``sizes`` those in it, ``positives`` those in it
    that are positive. A result whose score no other has is a group of its own. Ignored images are removed.
    """

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    positives: NDArray[np.int64]

    @classmethod
    def of(cls, ranks: ArrayLike, scores: ArrayLike) -> TieGroups:
        """Find the groups by the ``ranks`` of the retrieved positives and the ``scores`` [n] of all results.

        Raises WorkbenchError if the scores increase or a rank is outside the ranking.
        """
        r, s = np.sort(np.asarray(ranks, np.int64)), checked_scores(scores)
        if r.size and (r[0] < 0 or r[-1] >= len(s)):
            raise WorkbenchError(f"ranks: {r[-1]} is not a rank in a ranking of {len(s)} scores")
        return cls.between(*group_borders(s, r))

    @classmethod
    def between(cls, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> TieGroups:
        """Make the groups from the borders of each retrieved positive's own group, best first."""
        unique, first, counts = np.unique(starts, return_index=True, return_counts=True)
        return cls(unique, ends[first] - unique, counts)

    @property
    def mixed(self) -> bool:
        """Whether a group contains other results too, so that measures depend on the order in it."""
        return bool((self.sizes > self.positives).any())

    @property
    def before(self) -> NDArray[np.int64]:
        """The number of positives before each group."""
        return np.cumsum(self.positives) - self.positives

    def ranks(self, favourable: bool) -> NDArray[np.int64]:
        """Return the zero-based ranks of the positives in the most or the least favourable order."""
        starts = self.starts if favourable else self.starts + self.sizes - self.positives
        return np.repeat(starts - self.before, self.positives) + np.arange(self.positives.sum())


def checked_scores(scores: ArrayLike) -> NDArray[np.floating]:
    """Return scores [n] as an array. Raises WorkbenchError if they are not those of a ranking, best first."""
    s = np.asarray(scores)
    if s.ndim != 1 or (s[1:] > s[:-1]).any():
        raise WorkbenchError("scores: one for each result is needed, best first; they may not increase")
    return s


def group_borders(
    scores: NDArray[np.floating], positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first position, and the one after the last, of each position's group of equal scores."""
    ascending, values = scores[::-1], scores[positions]
    size = len(scores)
    return size - np.searchsorted(ascending, values, "right"), size - np.searchsorted(
        ascending, values, "left"
    )


def expected_average_precision(
    groups: TieGroups, positives: SupportsIndex, variant: Literal["trapezoid", "sum"] = "trapezoid"
) -> float:
    """Return the expected ``average_precision`` over all orders within the groups; NaN without positives.

    A group has n results, of which p are positive, and is behind c results, of which r are positive. Its i-th
    result is positive with probability p/n; then r + (i-1)(p-1)/(n-1) positives are expected before it.
    Precision is linear in that number, in both variants, and its sum over i is one of harmonic numbers,
    H(m) = special.digamma(m + 1) + γ.
    """
    count = int(positives)
    if count == 0:
        return float("nan")
    c, n, p, r = (part.astype(np.float64) for part in (*groups, groups.before))
    slope = (p - 1) / np.maximum(n - 1, 1)
    precisions = (r + 1 - slope * (c + 1)) * (special.digamma(c + n + 1) - special.digamma(c + 1)) + slope * n
    if variant == "trapezoid":  # the mean with the precision before the result, which is 1 before the first
        first = c == 0
        harmonic = special.digamma(c + n) - special.digamma(np.maximum(c, 1))
        before = (r - slope * c) * harmonic + slope * n + np.where(first, 1 - slope, 0)
        precisions = (before + precisions) / 2
    return float((p / n * precisions).sum() / count)


def expected_count_at(groups: TieGroups, k: int) -> float:
    """Return the expected number of positives among the first ``k`` results."""
    inside = np.clip(k - groups.starts, 0, groups.sizes)
    return float((groups.positives * inside / groups.sizes).sum())


def expected_precision_at(groups: TieGroups, k: int, cap: bool = True) -> float:
    """Return the expected ``precision_at`` over all orders within the groups.

    With ``cap``: the last of R positives is at position m of the last group, of n results with p positives,
    with probability C(m-1, p-1) / C(n, p). If it is among the first k, precision is R divided by its rank.
    """
    expected = expected_count_at(groups, k)
    if not cap or not len(groups.starts):
        return expected / k
    retrieved = int(groups.positives.sum())
    c, n, p = (int(part[-1]) for part in groups)
    precision = probability = 0.0
    if p <= (room := min(n, k - c)):
        orders = comb(n, p)
        for m in range(p, room + 1):
            share = comb(m - 1, p - 1) / orders
            precision += share * retrieved / (c + m)
            probability += share
    return precision + (expected - retrieved * probability) / k


def expected_recall_at(groups: TieGroups, k: int) -> float:
    """Return the probability that a positive is among the first ``k`` results."""
    if not len(groups.starts):
        return 0.0
    c, n, p = (int(part[0]) for part in groups)
    drawn = np.arange(min(max(k - c, 0), n))
    return float(1 - np.prod(np.maximum(n - p - drawn, 0) / (n - drawn)))


def expected_ranks(groups: TieGroups) -> NDArray[np.float64]:
    """Return the expected ranks, from 1, of the retrieved positives: c + j (n+1)/(p+1), j = 1 … p."""
    j = np.arange(1, groups.positives.sum() + 1) - np.repeat(groups.before, groups.positives)
    gaps = (groups.sizes + 1) / (groups.positives + 1)
    return np.repeat(groups.starts, groups.positives) + j * np.repeat(gaps, groups.positives)


def expected_curve(groups: TieGroups, positives: SupportsIndex) -> NDArray[np.float64]:
    """Return the ``interpolated_precision`` [101] of a ranking with each positive at its expected rank."""
    ranks = expected_ranks(groups)
    return interpolate(np.arange(1, len(ranks) + 1) / ranks, int(positives))
