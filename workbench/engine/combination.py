"""Combine the scores of a query's parts: standardise them, add them, and take the smaller or the larger.

Score normalisation before a weighted sum is CombSUM with z-scores (Fox and Shaw, TREC-2 1994; Montague and
Aslam, CIKM 2001). The smaller and the larger are Zadeh's operators for ``and`` and ``or`` (Fuzzy sets, 1965).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.query.query import ARRANGEMENTS, Group, Leaf, Query

FIRST = 100  # images whose arrangement is checked
_EQUAL = 1e-6  # deviation of scores, as a share of the largest, that is taken for rounding errors

Values = NDArray[np.float64]
# Tells of some images (rows), and for each of them the parts at both sides, whether the arrangement holds.
Check = Callable[[str, NDArray[np.int64], Sequence[tuple[list[int], list[int]]]], NDArray[np.bool_]]


class Standardised(NamedTuple):
    """Scores less their ``mean``, over their standard deviation ``std``: ``values`` [N].

    Equal scores of all images tell nothing, and have values of zero.
    """

    values: Values
    mean: float
    std: float


def standardise(scores: NDArray[np.float32]) -> Standardised:
    """Standardise the scores [N] of a part over the N images of the collection."""
    exact = scores.astype(np.float64)
    mean, std = (float(exact.mean()), float(exact.std())) if len(exact) else (0.0, 0.0)
    if std <= _EQUAL * np.abs(exact).max(initial=0.0):
        return Standardised(np.zeros(len(exact)), mean, 0.0)
    return Standardised((exact - mean) / std, mean, std)


@dataclass
class Combination:
    """The score of each image for a query, ``values`` [N].

    ``weighted`` [parts][N] are the standardised scores times the weights; those of parts that are switched
    off, of weight zero, are not used. In an arrangement the first FIRST images by the smaller score are
    checked; one that fails loses the difference between the largest and the smallest score, and 1 more, so
    that it comes after all others.
    """

    query: Query
    weighted: Sequence[Values]
    check: Check
    _known: dict[tuple[int, Query], Values | None] = field(default_factory=dict)

    @property
    def values(self) -> Values:
        values = self._values(self.query, 0)
        assert values is not None
        return values

    def deciding(self, row: int) -> list[int]:
        """The parts whose weighted scores add up to the score of an image, but for a failed arrangement: all
        summands, and of ``and`` and ``or`` those of the query that is smaller or larger."""
        return self._deciding(self.query, 0, row)

    def _values(self, query: Query, start: int) -> Values | None:
        """The scores of a query whose first part has the number ``start``; None if it is switched off."""
        if (start, query) not in self._known:
            self._known[start, query] = self._combined(query, start)
        return self._known[start, query]

    def _combined(self, query: Query, start: int) -> Values | None:
        if isinstance(query, Leaf):
            return self.weighted[start] if query.weight else None
        assert isinstance(query, Group)
        members = [self._values(member, first) for first, member in numbered(query, start)]
        used = [values for values in members if values is not None]
        if not used:
            return None
        join = {"+": np.add, "or": np.maximum}.get(query.operator, np.minimum)
        values = reduce(join, used)
        if query.operator in ARRANGEMENTS and len(used) == len(query.members) and len(values):
            return self._arranged(query, start, values)
        return values

    def _arranged(self, query: Group, start: int, values: Values) -> Values:
        rows = np.argsort(-values, kind="stable")[:FIRST]
        (_, left), (second, right) = numbered(query, start)
        sides = [(self._placed(left, start, row), self._placed(right, second, row)) for row in rows]
        failed = rows[~self.check(query.operator, rows, sides)]
        values = values.copy()
        values[failed] -= np.ptp(values) + 1
        return values

    def _placed(self, query: Query, start: int, row: int) -> list[int]:
        """The parts of positive weight that are in an image: of ``or``, those of the larger query."""
        if isinstance(query, Leaf):
            return [start] if query.weight > 0 else []
        assert isinstance(query, Group)
        members = self._used(query, start)
        if query.operator == "or":
            members = [max(members, key=lambda member: self._at(member, row))]
        return [part for first, member in members for part in self._placed(member, first, row)]

    def _deciding(self, query: Query, start: int, row: int) -> list[int]:
        if isinstance(query, Leaf):
            return [start]
        assert isinstance(query, Group)
        members = self._used(query, start)
        if query.operator != "+":
            choose = max if query.operator == "or" else min
            members = [choose(members, key=lambda member: self._at(member, row))]
        return [part for first, member in members for part in self._deciding(member, first, row)]

    def _used(self, query: Group, start: int) -> list[tuple[int, Query]]:
        return [member for member in numbered(query, start) if self._values(member[1], member[0]) is not None]

    def _at(self, member: tuple[int, Query], row: int) -> float:
        start, query = member
        values = self._values(query, start)
        assert values is not None
        return float(values[row])


def numbered(query: Group, start: int) -> list[tuple[int, Query]]:
    """The members of a group, each with the number of its first part."""
    members = []
    for member in query.members:
        members.append((start, member))
        start += len(member.parts)
    return members
