"""What a search found, query by query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, overload

import numpy as np


class Found(NamedTuple):
    """One query's ranking: rows of the database, best first, int64 [k], and their scores, float32 [k].

    Scores never rise, and equal scores keep the database's order. What is not in it was not reached.
    """

    rows: np.ndarray
    scores: np.ndarray


class Index(Protocol):
    """A database [N, D] that can be searched by inner product or by what stands for it; more is better."""

    @property
    def name(self) -> str: ...  # the steps that made it, as in ``ivf:64,pq:16``
    @property
    def size(self) -> int: ...  # vectors in it
    @property
    def bytes(self) -> float: ...  # that each of them takes, without what all share
    @property
    def shared_bytes(self) -> int: ...  # centroids, codebooks, rotations
    @property
    def approximate(self) -> bool: ...
    @property
    def ties(self) -> bool: ...  # whether distances are counts, so that many are equal

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Found]:
        """The best ``k`` for each query [Q, D] float32; None: all that the index reaches. Never none."""
        ...


def ordered(rows: np.ndarray, scores: np.ndarray) -> Found:
    """Rows [k] with scores [k] in any order as a ranking; rows below nought and scores of nan are dropped."""
    if len(rows) > 1 and scores.dtype == np.float32 and (scores[1:] < scores[:-1]).all() and rows.min() >= 0:
        return Found(rows, scores)  # as it comes from a search, mostly
    kept = (rows >= 0) & ~np.isnan(scores)
    rows, scores = rows[kept].astype(np.int64, copy=False), scores[kept].astype(np.float32, copy=False)
    order = np.lexsort((rows, -scores))
    return Found(rows[order], scores[order])


class Rankings(Sequence[Any]):
    """The rankings of many queries [Q, D], searched some at a time as they are read.

    ``search`` answers some queries, given their positions; ``shown`` makes of a position and its Found what
    is read (its rows, where it is None). ``together`` queries are searched at a time.
    """

    def __init__(
        self,
        search: Callable[[slice], list[Found]],
        count: int,
        together: int,
        shown: Callable[[int, Found], np.ndarray] | None = None,
    ) -> None:
        self._search, self._count, self._together, self._shown = search, count, max(1, together), shown
        self._first, self._found = 0, list[Found]()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, position: slice) -> list[np.ndarray]: ...
    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        found = self.found(position)
        return found.rows if self._shown is None else self._shown(position % len(self), found)

    def found(self, position: int) -> Found:
        """The ranking of one query with its scores."""
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        position %= len(self)
        if not self._first <= position < self._first + len(self._found):
            self._first = position // self._together * self._together
            self._found = self._search(slice(self._first, min(self._first + self._together, self._count)))
        return self._found[position - self._first]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[position] for position in range(len(self)))
