"""The inverted file of a bag of words, and Hamming embedding of its postings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch

from workbench.common.lazy import compiled, lazy_module
from workbench.search.exact import rankings
from workbench.search.ranking import IndexTraits, Ranking

if TYPE_CHECKING:
    from scipy import sparse
else:
    sparse = lazy_module("scipy.sparse")

_POSTING_BYTES = 8.0  # the number of an image and its weight


@compiled(nogil=True)
def _add(
    total: np.ndarray,
    words: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    images: np.ndarray,
    values: np.ndarray,
) -> None:
    """Add to each image's total its value for each given word, times the weight of that word."""
    for position in range(len(words)):
        weight = weights[position]
        for posting in range(starts[words[position]], starts[words[position] + 1]):
            total[images[posting]] += weight * values[posting]


@dataclass(frozen=True)
class InvertedFile(IndexTraits):
    """For each word, the images that contain it and its weight there: ``postings`` [N, words], by column.

    Search is exact: an image without any word of the query scores zero.
    """

    postings: sparse.csc_array
    name: ClassVar[str] = "inverted file"
    shared_bytes: ClassVar[int] = 0

    @classmethod
    def of(cls, vectors: np.ndarray) -> InvertedFile:
        """Build the inverted file of vectors [N, words]."""
        return cls(sparse.csc_array(vectors))

    @property
    def size(self) -> int:
        return int(self.postings.shape[0])

    @property
    def bytes(self) -> float:
        return _POSTING_BYTES * self.postings.nnz / max(1, self.size)

    @property
    def exhaustive(self) -> Self:
        return self

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Return inner products of a query [words] with all images, float32 [N]; reads only its own words."""
        total, words = np.zeros(self.size), np.flatnonzero(query)
        postings = self.postings
        _add(total, words, query[words], postings.indptr, postings.indices, postings.data)
        return total.astype(np.float32)

    def similarities(self, queries: torch.Tensor) -> np.ndarray:
        """Scores float32 [Q, N] of queries [Q, words] with all images."""
        return np.array([self.scores(query) for query in queries.numpy()]).reshape(-1, self.size)

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` (None: all) images for each query [Q, words]."""
        return [ranking for query in queries for ranking in rankings(self.scores(query)[None], k)]
