"""Rows of a database that have the same content, which must have the same score.

Matrix products and sums of table entries are computed in an order that depends on where a row is, so that the
scores of identical rows may differ in the last digit, and their order would be that of the rounding errors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.search.ranking import Ranking, sorted_ranking

_BATCH_NUMBERS = 2**22  # hashed at a time


class Duplicates(NamedTuple):
    """Increasing ``rows`` [d] of a content that an earlier row has, and ``first`` [d], the first such row."""

    rows: np.ndarray
    first: np.ndarray

    def equalise(self, rankings: list[Ranking], size: int, tolerance: float = np.inf) -> list[Ranking]:
        """Give the retrieved rows of the same content their highest score, in a database of ``size`` rows.

        Rows whose scores differ by more than ``tolerance``, relative to the largest score, keep them.
        """
        if not len(self.rows):
            return rankings
        if sum(len(ranking.rows) for ranking in rankings) < size:
            return [_equalise(ranking, *self._repeated(ranking.rows), tolerance) for ranking in rankings]
        first = np.arange(size)
        first[self.rows] = self.first
        repeated = np.zeros(size, bool)
        repeated[self.rows] = repeated[self.first] = True
        at = (np.flatnonzero(repeated[ranking.rows]) for ranking in rankings)
        return [
            _equalise(ranking, places, first[ranking.rows[places]], tolerance)
            for ranking, places in zip(rankings, at, strict=True)
        ]

    def _repeated(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places of those ``rows`` whose content others may have, and the first row of this content.

        None if no two of the rows have the same content.
        """
        place = np.searchsorted(self.rows, rows)
        place[place == len(self.rows)] = 0
        later = self.rows[place] == rows
        if not later.any():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.arange(len(rows)), np.where(later, self.first[place], rows)


def _equalise(ranking: Ranking, at: np.ndarray, owners: np.ndarray, tolerance: float) -> Ranking:
    if not len(at):
        return ranking
    values = ranking.scores[at]
    contents, which = np.unique(owners, return_inverse=True)
    highest = np.full(len(contents), -np.inf, np.float32)
    np.maximum.at(highest, which, values)
    equal = highest[which]
    if tolerance < np.inf:
        limit = tolerance * np.abs(ranking.scores).max(initial=0)
        equal = np.where(equal - values <= limit, equal, values)
    if (equal == values).all():
        return ranking
    scores = ranking.scores.copy()
    scores[at] = equal
    return sorted_ranking(ranking.rows, scores)


def find_duplicates(content: np.ndarray) -> Duplicates:
    """Find the repeated rows of vectors float32 [N, D], or of codes uint8 [N, W]."""
    weights = np.random.default_rng(0).integers(0, 2**63, content.shape[1], np.uint64) * 2 + 1
    hashes = np.empty(len(content), np.uint64)
    batch_size = max(1, _BATCH_NUMBERS // max(1, content.shape[1]))
    for start in range(0, len(content), batch_size):
        part = np.ascontiguousarray(content[start : start + batch_size])
        if part.dtype != np.uint8:
            part = (part.astype(np.float32, copy=False) + np.float32(0)).view(np.uint32)  # -0 becomes 0
        hashes[start : start + batch_size] = part.astype(np.uint64) @ weights
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first = first[inverse]
    rows = np.flatnonzero(first != np.arange(len(content)))
    rows = rows[[bool((content[row] == content[first[row]]).all()) for row in rows]]
    return Duplicates(rows, first[rows])
