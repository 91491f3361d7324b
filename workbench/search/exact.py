"""Exact search by inner product. Descriptors have unit length, so the score is the cosine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import torch

from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.ranking import IndexTraits, Ranking

TOGETHER = 2**25  # scores in memory at a time
_GROUP = 64  # scores of which the highest is compared with those of other groups
_SORTED = 2**20  # scores that are sorted at a time
_OTHER_BITS, _SIGN, _ROW = np.int32(2**31 - 1), np.uint32(2**31), np.uint64(2**32 - 1)


def scores(queries: torch.Tensor, database: torch.Tensor) -> np.ndarray:
    """Inner products of queries [Q, D] with a database [N, D], float32 [Q, N]."""
    if len(queries) == 1 and database.device.type == "cpu":  # faster than a product of matrices
        return np.vecdot(database.numpy(), queries.numpy())[None].astype(np.float32, copy=False)
    return np.asarray((queries @ database.T).cpu().numpy(), np.float32)


def rank(scores: np.ndarray) -> np.ndarray:
    """Sort rows of the database from best to worst, int64 [Q, N]; ties keep the database's order.

    Score and row are sorted as one number, which is faster than a stable sort of the scores.
    """
    ranked = np.empty(scores.shape, np.int64)
    together = max(1, _SORTED // max(1, scores.shape[1]))
    rows = np.arange(scores.shape[1], dtype=np.uint64)
    for start in range(0, len(scores), together):
        # The difference to 0 is never -0. Of negative numbers, larger bits mean a smaller number, so that all
        # bits but the sign are inverted.
        bits = np.subtract(0, scores[start : start + together], dtype=np.float32).view(np.int32)
        keys = (bits ^ ((bits >> 31) & _OTHER_BITS)).view(np.uint32) ^ _SIGN
        numbers = (keys.astype(np.uint64) << np.uint64(32)) | rows
        numbers.sort(axis=1)
        np.bitwise_and(numbers, _ROW, out=ranked[start : start + together], casting="unsafe")
    return ranked


def first(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the first ``k`` columns of ``rank``, int64 [Q, k], without sorting the rest.

    Where the scores are divided into groups, the k-th highest of the maxima of the groups is not above the
    k-th highest score, as k groups have a score that is at least as high. Only rows that reach it are sorted.
    """
    size = scores.shape[1]
    height = min(_GROUP, size // (4 * k))  # scores in a group
    if height < 2:
        return rank(scores)[:, :k]
    count = size // height  # the last rows, fewer than a group, are in none
    best = np.empty((len(scores), k), np.int64)
    for position, row in enumerate(scores):
        maxima = row[: height * count].reshape(height, count).max(axis=0)
        maxima.partition(count - k)
        rows = np.flatnonzero(row >= maxima[count - k])
        best[position] = rows[np.argsort(-row[rows], kind="stable")[:k]]
    return best


def rankings(scores: np.ndarray, k: int | None = None) -> list[Ranking]:
    """Return the best ``k`` (None: all) rows for each query by its scores [Q, N]."""
    rows = rank(scores) if k is None or k >= scores.shape[1] else first(scores, k)
    return [Ranking(best, row[best]) for best, row in zip(rows, scores, strict=True)]


@dataclass(frozen=True)
class Exact(IndexTraits):
    """Exhaustive search: each query is compared with every vector of the database [N, D]."""

    vectors: torch.Tensor
    name: ClassVar[str] = "exact"
    shared_bytes: ClassVar[int] = 0
    own_memory: ClassVar[bool] = False

    @property
    def size(self) -> int:
        return len(self.vectors)

    @property
    def bytes(self) -> float:
        return 4.0 * self.vectors.shape[1]

    @property
    def exhaustive(self) -> Self:
        return self

    @cached_property
    def duplicates(self) -> Duplicates:
        """The rows with the same vector as an earlier row."""
        return find_duplicates(self.vectors.cpu().numpy())

    def similarities(self, queries: torch.Tensor) -> np.ndarray:
        """Scores float32 [Q, N] of queries [Q, D] with all images; equal vectors have equal scores."""
        similarities = scores(queries.to(self.vectors), self.vectors)
        if len(self.duplicates.rows):
            similarities[:, self.duplicates.rows] = similarities[:, self.duplicates.first]
        return similarities

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` (None: all) rows for each query [Q, D], in batches of queries."""
        batch_size = max(1, TOGETHER // max(1, self.size))
        return [
            ranking
            for batch in torch.as_tensor(queries).split(batch_size)
            for ranking in rankings(self.similarities(batch), k)
        ]
