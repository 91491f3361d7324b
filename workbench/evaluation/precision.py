"""Average precision in its two variants, and precision and recall among the first results.

In all functions ``ranks`` are the zero-based ranks of the retrieved positives, in any order, in a
ranking from which ignored images have already been removed. ``evaluation.ties`` has the same measures for
rankings in which results have equal scores.
"""

from __future__ import annotations

import operator
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.config.errors import WorkbenchError


def average_precision(
    ranks: ArrayLike, positives: SupportsIndex, variant: Literal["trapezoid", "sum"] = "trapezoid"
) -> float:
    """Return the average precision, 0…1, of one ranking; NaN if there are no positives.

    ``positives`` is the number of positives, retrieved or not. ``trapezoid`` is the area under the
    precision-recall curve, with precision 1 before the first result (Philbin et al. 2007, VGG's
    compute_ap); ``sum`` is the mean over the positives of the precision at their rank. The variants are
    not comparable. Raises WorkbenchError if the ranks are not those of a ranking.
    """
    r = _sorted(ranks)
    count = _whole(positives, "positives", 0)
    if r.size > count:
        raise WorkbenchError(
            f"ranks: {r.size} positives were found but only {count} exist; "
            "count all positives of the query, found or not"
        )
    if variant not in ("trapezoid", "sum"):
        raise WorkbenchError(f"variant {variant!r} is not known; valid: trapezoid, sum")
    if count == 0:
        return float("nan")
    return float(precision_terms(r, variant).sum() / count)


def precision_terms(ranks: NDArray[np.int64], variant: Literal["trapezoid", "sum"]) -> NDArray[np.float64]:
    """Return the precision [r] that each retrieved positive contributes; AP is their sum per positive.

    ``ranks`` [r] increase.
    """
    retrieved = np.arange(ranks.size, dtype=np.float64)
    precision = (retrieved + 1) / (ranks + 1)
    if variant == "sum":
        return precision
    before = np.where(ranks > 0, retrieved / np.maximum(ranks, 1), 1.0)
    return (before + precision) / 2


def precision_at(ranks: ArrayLike, k: int, cap: bool = True) -> float:
    """Return the share of positives, 0…1, among the first ``k`` results; 0 if none was retrieved.

    With ``cap``, P@k of the revisited protocol: only results up to the last positive count, so that a
    query with fewer than ``k`` positives can still reach 1 (Radenović et al. 2018).
    """
    r = _sorted(ranks)
    k = _whole(k, "k", 1)
    if r.size == 0:
        return 0.0
    results = min(int(r[-1]) + 1, k) if cap else k
    return float(np.searchsorted(r, results) / results)


def recall_at(ranks: ArrayLike, k: int) -> float:
    """Return 1 if a positive is among the first ``k`` results, else 0; the mean over queries is R@k."""
    r = _sorted(ranks)
    return float(r.size > 0 and r[0] < _whole(k, "k", 1))


def interpolated_precision(ranks: ArrayLike, positives: SupportsIndex) -> NDArray[np.float64]:
    """Return the precision-recall curve of one ranking: [101] precisions, at recalls 0, 0.01 … 1.

    Interpolated precision at a recall is the largest precision at that recall or a higher one, 0 if that
    many positives were not retrieved (Manning et al., Introduction to Information Retrieval, 2008,
    section 8.4); NaN if there are no positives.
    """
    r = _sorted(ranks)
    return interpolate(np.arange(1, r.size + 1) / (r + 1), _whole(positives, "positives", 0))


def interpolate(precision: NDArray[np.float64], positives: int) -> NDArray[np.float64]:
    """Return the curve [101] of ``interpolated_precision`` from the precision at each retrieved positive."""
    if positives == 0:
        return np.full(101, np.nan)
    best_from = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)  # 0 after the last positive
    needed = np.maximum(-(-np.arange(101) * positives // 100), 1)  # number of positives at each recall
    return best_from[np.minimum(needed - 1, precision.size)]


def _sorted(ranks: ArrayLike) -> NDArray[np.int64]:
    r = np.asarray(ranks)
    if r.ndim != 1 or (r.size and r.dtype.kind not in "iu"):
        raise WorkbenchError(
            f"ranks: a flat sequence of whole numbers is needed, not {r.dtype} of shape {r.shape}"
        )
    r = np.sort(r.astype(np.int64))
    if r.size and r[0] < 0:
        raise WorkbenchError(f"ranks: {r[0]} is negative; ranks count from 0")
    if (r[1:] == r[:-1]).any():
        raise WorkbenchError("ranks: a rank is given twice; each result has its own")
    return r


def _whole(value: SupportsIndex, name: str, smallest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = smallest - 1
    if number < smallest:
        raise WorkbenchError(f"{name} {value!r} is not a whole number from {smallest}")
    return number
