"""Exact search by inner product. Descriptors have unit length, so the score is the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.ranking import Ranking

TOGETHER = 2**25  # scores in memory at a time


def scores(queries: torch.Tensor, database: torch.Tensor) -> np.ndarray:
    """Inner products of queries [Q, D] with a database [N, D], float32 [Q, N]."""
    if len(queries) == 1 and database.device.type == "cpu":  # NumPy is faster for a single vector
        return np.asarray(queries.numpy() @ database.numpy().T, np.float32)
    return np.asarray((queries @ database.T).cpu().numpy(), np.float32)


def rank(scores: np.ndarray) -> np.ndarray:
    """Sort rows of the database from best to worst, int64 [Q, N]; ties keep the database's order."""
    return np.argsort(-scores, axis=1, kind="stable")


def first(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the first ``k`` columns of ``rank``, int64 [Q, k], without sorting the rest."""
    if k >= scores.shape[1]:
        return rank(scores)
    similarities = torch.from_numpy(scores)
    values, rows = similarities.topk(k + 1, dim=1)
    tied = values[:, k - 1] == values[:, k]
    # Of the rows that tie for the last position, keep those that come first in the database.
    for position in tied.nonzero()[:, 0].tolist():
        above = (similarities[position] > values[position, k]).nonzero()
        ties = (similarities[position] == values[position, k]).nonzero()
        rows[position, :k] = torch.cat([above, ties])[:k, 0]
    rows = rows[:, :k].sort(dim=1).values
    order = similarities.gather(1, rows).argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order).numpy()


@dataclass(frozen=True)
class Exact:
    """Exhaustive search: each query is compared with every vector of the database [N, D]."""

    vectors: torch.Tensor
    name: ClassVar[str] = "exact"
    shared_bytes: ClassVar[int] = 0

    @property
    def size(self) -> int:
        return len(self.vectors)

    @property
    def bytes(self) -> float:
        return 4.0 * self.vectors.shape[1]

    @cached_property
    def duplicates(self) -> Duplicates:
        """The rows with the same vector as an earlier row."""
        return find_duplicates(self.vectors.cpu().numpy())

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` (None: all) rows for each query [Q, D], in batches of queries."""
        vectors = torch.as_tensor(queries).to(self.vectors)
        batch_size = max(1, TOGETHER // max(1, self.size))
        rankings = []
        for batch in vectors.split(batch_size):
            similarities = scores(batch, self.vectors)
            similarities[:, self.duplicates.rows] = similarities[:, self.duplicates.first]
            rows = rank(similarities) if k is None or k >= self.size else first(similarities, k)
            rankings += [Ranking(best, row[best]) for best, row in zip(rows, similarities, strict=True)]
        return rankings
