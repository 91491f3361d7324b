"""The search of a FAISS index without what the Python layer of FAISS does at each call.

A query of an inverted file takes about 0.1 ms. Checks, parameters and attributes that are looked up again for
each query would take a tenth of it, so that they are made once for an index.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.search.kmeans import SMALL
from workbench.search.quantizer import cell_prober

if TYPE_CHECKING:
    from workbench.search.faiss_index import FaissIndex

faiss = lazy_module("faiss")

Call = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def faiss_call(index: FaissIndex) -> Call:
    """Return a function of queries float32 [Q, D], contiguous, and k: scores and rows [Q, k], best first.

    Rows that are absent are -1, at the end. FAISS is limited to one thread where there is little to compute.
    """
    search = _by_cells(index) if index.steps[0].name == "imi" else _by_index(index)
    threads, limit_threads, empty = faiss.omp_get_max_threads, faiss.omp_set_num_threads, np.empty
    size, dimensions, float32, int64 = index.size, int(index.index.d), np.float32, np.int64

    def call(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        count, width = queries.shape
        assert k > 0 and width == dimensions, "FAISS would read beyond the queries"
        scores, rows = empty((count, k), float32), empty((count, k), int64)
        before = threads()
        if before == 1 or count * width * size >= SMALL:
            search(queries, k, scores, rows)
        else:
            limit_threads(1)
            try:
                search(queries, k, scores, rows)
            finally:
                limit_threads(before)
        return scores, rows

    return call


def _by_index(index: FaissIndex) -> Callable[[np.ndarray, int, np.ndarray, np.ndarray], None]:
    """The whole search by FAISS."""
    search, pointer, graph, probes = index.index.search_c, faiss.swig_ptr, index.graph, index.probes
    parameters = None if graph or index.inverted is None else _probing(index)

    def write(queries: np.ndarray, k: int, scores: np.ndarray, rows: np.ndarray) -> None:
        settings = _candidates(max(probes, k)) if graph else parameters
        search(len(queries), pointer(queries), k, pointer(scores), pointer(rows), settings)

    return write


def _by_cells(index: FaissIndex) -> Callable[[np.ndarray, int, np.ndarray, np.ndarray], None]:
    """The search of a multi-index, of which FAISS would visit some cells twice: see ``cell_prober``."""
    search, pointer, turned, probes = (
        index.inverted.search_preassigned_c,
        faiss.swig_ptr,
        index.turned,
        index.probes,
    )
    probe, parameters = (
        cell_prober(index.inverted.quantizer, probes),
        faiss.SearchParametersIVF(nprobe=probes),
    )

    def write(queries: np.ndarray, k: int, scores: np.ndarray, rows: np.ndarray) -> None:
        queries = np.ascontiguousarray(turned(queries), np.float32)
        cells = probe(queries, probes)
        unused = np.zeros(cells.shape, np.float32)  # distances of cells, not needed by inner product
        search(
            len(queries),
            pointer(queries),
            k,
            pointer(cells),
            pointer(unused),
            pointer(scores),
            pointer(rows),
            False,
            parameters,
        )

    return write


@lru_cache(maxsize=64)
def _candidates(count: int) -> Any:
    return faiss.SearchParametersHNSW(efSearch=count)


def _probing(index: FaissIndex) -> Any:
    inverted = faiss.SearchParametersIVF(nprobe=index.probes)
    return faiss.SearchParametersPreTransform(index_params=inverted) if index.rotated else inverted
