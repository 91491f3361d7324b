"""An index opened: which images its cells hold, and its binary codes bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import faiss
import numpy as np

from workbench.search import cells
from workbench.search.codes import CodeIndex
from workbench.search.found import Found, Index
from workbench.search.indexes import FaissIndex


class Lists(NamedTuple):
    """The cells of an inverted index, those nearest to a query first; the first ``probed`` are searched."""

    order: np.ndarray  # numbers of the cells, int64 [cells]
    sizes: np.ndarray  # vectors in each, in that order
    probed: int
    rows: Callable[[int], np.ndarray]  # of the database, int64, in the cell of that number

    @property
    def imbalance(self) -> float:
        """k · Σ p² over the k cells' shares p of the vectors: 1 where all are equal.

        So many times more vectors are looked at than with equal cells, where queries fall as vectors do
        (Jégou, Douze and Schmid 2010, "Improving bag-of-features for large scale image search").
        """
        shares = self.sizes / max(1, self.sizes.sum())
        return float(len(shares) * (shares**2).sum())


class Bits(NamedTuple):
    """Codes of bits: the query's and those of what was found, uint8 [1 + k, B / 8], and what was found."""

    codes: np.ndarray
    found: Found


def lists(index: Index, query: np.ndarray) -> Lists | None:
    """The cells of an index as a query [1, D] sees them; None where it has no inverted lists."""
    asked = np.ascontiguousarray(query, np.float32)
    if isinstance(index, FaissIndex) and index.inverted is not None:
        return _of_faiss(index, asked)
    if isinstance(index, CodeIndex) and index.cells is not None:
        return _of_codes(index, asked)
    return None


def _of_faiss(index: FaissIndex, query: np.ndarray) -> Lists:
    inverted = index.inverted
    stored = inverted.invlists
    order = cells.probe(inverted.quantizer, index.turned(query), inverted.nlist)[0]
    sizes = np.array([stored.list_size(int(cell)) for cell in order])

    def rows(cell: int) -> np.ndarray:
        size = stored.list_size(cell)
        held = faiss.rev_swig_ptr(stored.get_ids(cell), size).copy() if size else np.empty(0, np.int64)
        return np.sort(held)

    return Lists(order, sizes, min(index.probes, inverted.nlist), rows)


def _of_codes(index: CodeIndex, query: np.ndarray) -> Lists:
    starts, held = index.starts, index.rows
    assert index.cells is not None and starts is not None and held is not None
    order = index.cells.probe(query, index.cells.count)[0]

    def rows(cell: int) -> np.ndarray:
        return np.sort(held[starts[cell] : starts[cell + 1]]).astype(np.int64)

    return Lists(order, np.diff(starts)[order], min(index.probes, index.cells.count), rows)


def bits(index: Index, query: np.ndarray, k: int) -> Bits | None:
    """The codes along the first ``k`` of a query's [1, D] ranking; None where the index has no bits."""
    if not isinstance(index, CodeIndex):
        return None
    found = index.search(query, k)[0]
    return Bits(np.concatenate([index.encode(query), index.codes(found.rows)]), found)
