"""Exact search by inner product. Descriptors have unit length, so the score is the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from workbench.search.found import Found

TOGETHER = 2**25  # scores held at a time


def scores(queries: torch.Tensor, database: torch.Tensor) -> np.ndarray:
    """Inner products of queries [Q, D] with a database [N, D], float32 [Q, N]."""
    if len(queries) == 1 and database.device.type == "cpu":  # NumPy's product with one vector is the faster
        return np.asarray(queries.numpy() @ database.numpy().T, np.float32)
    return np.asarray((queries @ database.T).cpu().numpy(), np.float32)


def rank(scores: np.ndarray) -> np.ndarray:
    """Rows of the database from best to worst, int64 [Q, N]; equal scores keep the database's order."""
    return np.argsort(-scores, axis=1, kind="stable")


def first(scores: np.ndarray, k: int) -> np.ndarray:
    """The first ``k`` of ``rank``, int64 [Q, k], without ranking the rest."""
    if k >= scores.shape[1]:
        return rank(scores)
    every = torch.from_numpy(scores)
    values, rows = every.topk(k + 1, dim=1)
    tied = values[:, k - 1] == values[:, k]
    # Of the images that share the last score, the earlier ones belong to the first k.
    for query in tied.nonzero()[:, 0].tolist():
        sure, last = (every[query] > values[query, k]).nonzero(), (every[query] == values[query, k]).nonzero()
        rows[query, :k] = torch.cat([sure, last])[:k, 0]
    rows = rows[:, :k].sort(dim=1).values
    order = every.gather(1, rows).argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order).numpy()


@dataclass(frozen=True)
class Exact:
    """A database [N, D] as it is: every vector is compared."""

    vectors: torch.Tensor
    name: ClassVar[str] = "exact"
    approximate: ClassVar[bool] = False
    ties: ClassVar[bool] = False
    shared_bytes: ClassVar[int] = 0

    @property
    def size(self) -> int:
        return len(self.vectors)

    @property
    def bytes(self) -> float:
        return 4.0 * self.vectors.shape[1]

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Found]:
        """The best ``k`` (None: all) for each query [Q, D], some queries at a time."""
        asked = torch.as_tensor(queries).to(self.vectors)
        together = max(1, TOGETHER // max(1, self.size))
        found = []
        for some in asked.split(together):
            every = scores(some, self.vectors)
            rows = rank(every) if k is None or k >= self.size else first(every, k)
            found += [Found(one, values[one]) for one, values in zip(rows, every, strict=True)]
        return found
