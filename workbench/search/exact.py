"""Exact search by inner product. Descriptors have unit length, so the score is the cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch

_TOGETHER = 2**25  # scores held at a time


def scores(queries: torch.Tensor, database: torch.Tensor) -> np.ndarray:
    """Inner products of queries [Q, D] with a database [N, D], float32 [Q, N]."""
    return np.asarray((queries @ database.T).cpu().numpy(), np.float32)


def rank(scores: np.ndarray) -> np.ndarray:
    """Rows of the database from best to worst, int64 [Q, N]; equal scores keep the database's order."""
    return np.argsort(-scores, axis=1, kind="stable")


class Rankings(Sequence[np.ndarray]):
    """The rankings of many queries [Q, D] over a database [N, D], made some at a time as they are read."""

    def __init__(self, queries: torch.Tensor, database: torch.Tensor) -> None:
        self.queries, self.database = queries, database
        self._together = max(1, _TOGETHER // max(1, len(database)))
        self._first, self._ranked = 0, np.empty((0, len(database)), np.int64)

    def __len__(self) -> int:
        return len(self.queries)

    @overload
    def __getitem__(self, position: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, position: slice) -> list[np.ndarray]: ...
    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        position %= len(self)
        if not self._first <= position < self._first + len(self._ranked):
            self._first = position // self._together * self._together
            queries = self.queries[self._first : self._first + self._together]
            self._ranked = rank(scores(queries, self.database))
        return self._ranked[position - self._first]
