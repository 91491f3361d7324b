"""Representatives of many things by facility location: each thing counts by its most similar representative.

F(S) = Σᵢ max_{j ∈ S} sᵢⱼ of similarities sᵢⱼ ≥ 0 grows with S, and the gain of a further element never grows
(it is submodular). The greedy choice of k elements then reaches at least (1 − 1/e) of the best F of any k
(Nemhauser, Wolsey and Fisher, Mathematical Programming 1978). Gains that were computed for a smaller S are
upper bounds, so that few are computed again (Minoux, Optimization Techniques 1978), and by them no k elements
have more than F(S) plus the k largest gains of S (Leskovec et al., KDD 2007, section 3.2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.common.progress import Progress, silent

GUARANTEE = 1 - 1 / math.e  # the least share of the best coverage that the greedy choice has
_BLOCK = 2**22  # similarities whose gains are computed together


class Representatives(NamedTuple):
    """The ``rows`` [k] of candidates in the order of their choice.

    ``coverage`` [k] is the mean similarity of all things to the most similar one of the first 1, 2, … k
    candidates, and ``bounds`` [k] what no 1, 2, … k candidates exceed.
    """

    rows: NDArray[np.int64]
    coverage: NDArray[np.float64]
    bounds: NDArray[np.float64]


def choose(similarities: np.ndarray, k: int, progress: Progress = silent) -> Representatives:
    """Choose ``k`` of m candidates by lazy greedy; all of them if there are fewer.

    ``similarities`` float [m, n] are those of the candidates to n things; negative ones count as zero. Of
    equal candidates the first is chosen.
    """
    count, things = similarities.shape
    k = min(k, count)
    best = np.zeros(things, np.float32)
    gains = _gains(similarities, best)  # of candidates that are not chosen; upper bounds
    rows = np.zeros(k, np.int64)
    totals = np.zeros(k + 1)
    sizes = np.arange(1, k + 1)
    bounds = np.full(k, float(np.maximum(similarities.max(0, initial=0), 0).sum(dtype=np.float64)))
    for step in range(k):
        progress("choosing moments", step, k)
        _lower(bounds, totals[step], gains)
        computed = np.zeros(count, bool)
        while True:
            row = int(gains.argmax())
            if computed[row]:
                break
            gains[row] = np.maximum(similarities[row] - best, 0).sum(dtype=np.float64)
            computed[row] = True
        rows[step], totals[step + 1] = row, totals[step] + gains[row]
        best = np.maximum(best, similarities[row])
        gains[row] = -1.0
    _lower(bounds, totals[k], np.maximum(_gains(similarities, best), 0))
    # The greedy choice of t elements has at least 1 − (1 − 1/t)^t of the best.
    bounds = np.minimum(bounds, totals[1:] / (1 - (1 - 1 / sizes) ** sizes))
    return Representatives(rows, totals[1:] / max(things, 1), bounds / max(things, 1))


def coverage(similarities: np.ndarray, rows: np.ndarray) -> float:
    """The mean similarity of all things to the most similar of the candidates ``rows``; see ``choose``."""
    if not len(rows) or not similarities.shape[1]:
        return 0.0
    return float(np.maximum(similarities[rows].max(0), 0).mean(dtype=np.float64))


def _gains(similarities: np.ndarray, best: np.ndarray) -> NDArray[np.float64]:
    """What each candidate adds where things have similarities ``best`` already."""
    count, things = similarities.shape
    size = max(1, _BLOCK // max(things, 1))
    gains = np.zeros(count)
    for start in range(0, count, size):
        block = np.maximum(similarities[start : start + size] - best, 0)
        gains[start : start + size] = block.sum(1, dtype=np.float64)
    return gains


def _lower(bounds: np.ndarray, total: float, gains: np.ndarray) -> None:
    """Lower the bounds [k] by those of a choice that reaches ``total``, with the gains [m] of the others."""
    k = len(bounds)
    largest = np.sort(np.maximum(gains, 0))[::-1][:k]
    np.minimum(bounds, total + np.cumsum(largest), out=bounds)
