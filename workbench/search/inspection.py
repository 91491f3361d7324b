"""Inspect an index: the images in its cells, and its binary codes bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.search.binary_index import CodeIndex
from workbench.search.faiss_index import FaissIndex
from workbench.search.quantizer import probe_cells
from workbench.search.ranking import Index, Ranking

faiss = lazy_module("faiss")


class CellStatistics(NamedTuple):
    """The cells of an inverted index, those nearest to a query first; the first ``probed`` are searched."""

    order: np.ndarray  # numbers of the cells, int64 [cells]
    sizes: np.ndarray  # vectors in each cell, in that order
    probed: int
    rows: Callable[[int], np.ndarray]  # from the number of a cell to its rows of the database, int64

    @property
    def imbalance(self) -> float:
        """k · Σ p² over the k cells' shares p of the vectors: 1 if all cells are equal.

        The factor by which more vectors are searched than with equal cells, if queries are distributed as the
        vectors are (Jégou, Douze and Schmid 2010, "Improving bag-of-features for large scale image search").
        """
        return imbalance(self.sizes)


def imbalance(sizes: np.ndarray) -> float:
    """As of ``CellStatistics``, from the sizes of cells in any order."""
    shares = sizes / max(1, sizes.sum())
    return float(len(shares) * (shares**2).sum())


class BinaryCodes(NamedTuple):
    """Binary codes of the query and of its results, uint8 [1 + k, B / 8], and the ranking of the results."""

    codes: np.ndarray
    ranking: Ranking


def cell_statistics(index: Index, query: np.ndarray) -> CellStatistics | None:
    """The cells of an index, ordered for a query [1, D]; None if the index has no inverted lists."""
    vector = np.ascontiguousarray(query, np.float32)
    if isinstance(index, FaissIndex) and index.inverted is not None:
        return _faiss_lists(index, vector)
    if isinstance(index, CodeIndex) and index.cells is not None:
        return _code_lists(index, vector)
    return None


def searched_cells(index: Index, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The sizes of all cells [cells] and the cells that queries [Q, D] search [Q, probed], both by number.

    None if the index has no inverted lists.
    """
    vectors = np.ascontiguousarray(queries, np.float32)
    if isinstance(index, FaissIndex) and index.inverted is not None:
        inverted = index.inverted
        sizes = np.array([inverted.invlists.list_size(cell) for cell in range(inverted.nlist)])
        probed = min(index.probes, inverted.nlist)
        return sizes, probe_cells(inverted.quantizer, index.turned(vectors), probed)
    if isinstance(index, CodeIndex) and index.cells is not None and index.starts is not None:
        probed = min(index.probes, index.cells.count)
        return np.diff(index.starts), index.cells.probe(vectors, probed)
    return None


def _faiss_lists(index: FaissIndex, query: np.ndarray) -> CellStatistics:
    inverted = index.inverted
    stored = inverted.invlists
    order = probe_cells(inverted.quantizer, index.turned(query), inverted.nlist)[0]
    sizes = np.array([stored.list_size(int(cell)) for cell in order])

    def rows(cell: int) -> np.ndarray:
        size = stored.list_size(cell)
        ids = faiss.rev_swig_ptr(stored.get_ids(cell), size).copy() if size else np.empty(0, np.int64)
        return np.sort(ids)

    return CellStatistics(order, sizes, min(index.probes, inverted.nlist), rows)


def _code_lists(index: CodeIndex, query: np.ndarray) -> CellStatistics:
    starts, row_of = index.starts, index.rows
    assert index.cells is not None and starts is not None and row_of is not None
    order = index.cells.probe(query, index.cells.count)[0]

    def rows(cell: int) -> np.ndarray:
        return np.sort(row_of[starts[cell] : starts[cell + 1]]).astype(np.int64)

    return CellStatistics(order, np.diff(starts)[order], min(index.probes, index.cells.count), rows)


def binary_codes(index: Index, query: np.ndarray, k: int) -> BinaryCodes | None:
    """The codes of a query [1, D] and of its first ``k`` results; None if the index has no binary codes."""
    if not isinstance(index, CodeIndex):
        return None
    ranking = index.search(query, k)[0]
    return BinaryCodes(np.concatenate([index.encode(query), index.codes(ranking.rows)]), ranking)
