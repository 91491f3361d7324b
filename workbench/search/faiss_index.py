"""FAISS indexes: a database that a search reads only in part, or in compressed form; building any index.

The class and the functions that build it share one file, because they depend on the same FAISS types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, interruptible, silent
from workbench.config.errors import WorkbenchError
from workbench.config.steps import BINARY, INVERTED, Step
from workbench.search import binary_index, code_scan, kmeans, product_quantization
from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.exact import Exact
from workbench.search.faiss_call import Call, faiss_call
from workbench.search.probing import probing_steps
from workbench.search.quantizer import fit_coarse_quantizer, shorten_centroids
from workbench.search.ranking import Index, IndexTraits, Ranking, sorted_ranking

faiss = lazy_module("faiss")

CANDIDATES = 10_000  # of hnsw, if the whole ranking is wanted: about 10 ms a query
BITS = 8  # of a sub-vector's code, given enough vectors to learn 2^8 centroids
_ID = 8  # bytes of a row number in an inverted list


@dataclass(frozen=True)
class FaissIndex(IndexTraits):
    """A FAISS index by inner product. ``probes``: cells probed, or the smallest candidate list of hnsw."""

    steps: tuple[Step, ...]
    index: Any = field(repr=False)
    bytes: float
    shared_bytes: int
    probes: int = 0
    selects_ties: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return ",".join(map(str, self.steps))

    @cached_property
    def size(self) -> int:
        return int(self.index.ntotal)

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` for each query [Q, D]; None: all in probed cells or candidates, or all.

        The candidate list of hnsw holds at least ``k`` rows; if that is None, as many as ``reach``.
        """
        vectors = np.ascontiguousarray(queries, np.float32)
        limit = min(self.size, self.reach if k is None else k)
        rankings = self._search(vectors, limit)
        if self.inverted is None or (len(rankings) == 1 and len(rankings[0].rows)):
            return rankings
        unanswered = [position for position, ranking in enumerate(rankings) if not len(ranking.rows)]
        if unanswered:  # all their probed cells are empty: search all cells
            exhaustive = self.probing(self.inverted.nlist)._search(vectors[unanswered], limit)
            for position, ranking in zip(unanswered, exhaustive, strict=True):
                rankings[position] = ranking
        return rankings

    def _search(self, queries: np.ndarray, k: int) -> list[Ranking]:
        if len(queries) >= code_scan.FEWEST and code_scan.scans(self.inner, len(queries), k):
            rankings = code_scan.search_codes(self.inner, self.turned(queries), k)
        else:
            scores, rows = self._call(queries, k)
            # A single query is not looped over: an iteration over an array takes a microsecond.
            rankings = [_ranking(rows[0], scores[0])] if len(rows) == 1 else list(map(_ranking, rows, scores))
        return self._duplicates.equalise(rankings, self.size) if len(self._duplicates.rows) else rankings

    @cached_property
    def _call(self) -> Call:
        return faiss_call(self)

    def probing(self, probes: int) -> FaissIndex:
        index = replace(self, steps=probing_steps(self.steps, probes), probes=probes)
        read = vars(self).keys() - {field.name for field in fields(self)} - {"_call"}
        vars(index).update({name: vars(self)[name] for name in read})  # cached, the same for any ``probes``
        return index

    @cached_property
    def inverted(self) -> Any:
        """The inverted file inside the index, or None."""
        return self.inner if isinstance(self.inner, faiss.IndexIVF) else None

    def turned(self, queries: np.ndarray) -> np.ndarray:
        """Rotate queries [Q, D] as ``opq`` does; other indexes return them unchanged."""
        if not self.rotated:
            return queries
        return np.asarray(faiss.downcast_VectorTransform(self.index.chain.at(0)).apply(queries))

    @cached_property
    def rotated(self) -> bool:
        return isinstance(faiss.downcast_index(self.index), faiss.IndexPreTransform)

    @cached_property
    def inner(self) -> Any:
        index = faiss.downcast_index(self.index)
        return faiss.downcast_index(index.index) if self.rotated else index

    @property
    def centroids(self) -> int:
        return int(self.inner.pq.ksub) if hasattr(self.inner, "pq") else 0

    def score(self, query: np.ndarray, row: int) -> float:
        vector, inverted = np.ascontiguousarray(query[None], np.float32), self.inverted
        if inverted is None:
            return float(vector[0] @ self.index.reconstruct(row))
        parameters = faiss.SearchParametersIVF(
            sel=faiss.IDSelectorBatch(np.array([row])), nprobe=inverted.nlist
        )
        if self.rotated:
            parameters = faiss.SearchParametersPreTransform(index_params=parameters)
        return float(self.index.search(vector, 1, params=parameters)[0][0, 0])

    @property
    def cell_count(self) -> int:
        return 0 if self.inverted is None else int(self.inverted.nlist)

    @cached_property
    def graph(self) -> bool:
        return self.steps[0].name == "hnsw"

    @property
    def reach(self) -> int:
        if self.graph:
            return min(self.size, max(self.probes, CANDIDATES))
        if self.inverted is None:
            return self.size
        return max(1, int(self._largest[: self.probes].sum()))

    @cached_property
    def _largest(self) -> np.ndarray:
        """Sizes of the cells, largest first."""
        lists = self.inverted.invlists
        return np.sort([lists.list_size(cell) for cell in range(lists.nlist)])[::-1]

    @cached_property
    def _duplicates(self) -> Duplicates:
        """The rows with the same product code; without codes FAISS computes equal scores for equal rows."""
        if not self.centroids:
            return Duplicates(np.empty(0, np.int64), np.empty(0, np.int64))
        if self.inverted is None:
            return find_duplicates(faiss.vector_to_array(self.inner.codes).reshape(self.size, -1))
        lists, width = self.inverted.invlists, self.inner.code_size
        content = np.empty((self.size, _ID + width), np.uint8)  # the cell, then the code
        for cell in range(lists.nlist):
            if count := lists.list_size(cell):
                rows = faiss.rev_swig_ptr(lists.get_ids(cell), count)
                content[rows, :_ID] = np.frombuffer(cell.to_bytes(_ID, "little"), np.uint8)
                codes = faiss.rev_swig_ptr(lists.get_codes(cell), count * width)
                content[rows, _ID:] = codes.reshape(count, width)
        return find_duplicates(content)


def _ranking(rows: np.ndarray, scores: np.ndarray) -> Ranking:
    """The ranking by the answer of FAISS, in which absent rows (-1) are at the end."""
    falling = np.count_nonzero(scores[1:] < scores[:-1])  # which costs less than ``all`` for few
    if falling == len(scores) - 1 and rows[-1] >= 0:
        return Ranking(rows, scores)
    return sorted_ranking(rows, scores)


def build(steps: Sequence[Step], vectors: Any, seed: int = 0, progress: Progress = silent) -> Index:
    """Build an index of unit vectors [N, D] (an array, a tensor or a memory map) by its steps.

    No steps: exact search. Training uses at most 65,536 vectors, or 256 per centroid; vectors are read in
    chunks. With fewer than 256 vectors, product quantization uses the largest power of two of centroids
    that they allow. Raises WorkbenchError, before any training, if vectors are not finite or do not fit.
    """
    data = np.asarray(vectors) if isinstance(vectors, torch.Tensor) else vectors
    if data.ndim != 2 or not len(data):
        raise WorkbenchError(f"an index needs vectors [N, D], not {tuple(data.shape)}")
    start = 0
    for chunk in kmeans.chunks(data):
        finite = np.isfinite(chunk).all(1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise WorkbenchError(f"vector {row} is not finite: an index of it would find nothing")
        start += len(chunk)
    if not steps:
        return Exact(torch.as_tensor(vectors))
    if steps[0].name == "diskann":
        raise WorkbenchError("index diskann is one of a server: name it with --index-server (index_server=)")
    if any(step.name in BINARY for step in steps):
        return binary_index.build(steps, data, seed, progress)
    if steps[0].name == "hnsw":
        return _hnsw(steps[0], data, progress)
    code = next((step for step in steps if step.name in ("pq", "opq")), None)
    if code is not None:
        product_quantization.check(code, data)
    rotation = _rotation(code, data, seed, progress) if code is not None and code.name == "opq" else None
    coarse = steps[0] if steps[0].name in INVERTED else None
    return _filled(tuple(steps), coarse, code, rotation, data, seed, progress)


def _rotation(step: Step, vectors: np.ndarray, seed: int, progress: Progress) -> Any:
    train = kmeans.sample(vectors, kmeans.VECTORS_PER_CENTROID * 2**BITS, seed)
    learn = partial(product_quantization.rotation, train, int(step.args[0]), _bits(len(train)), seed)
    return interruptible(learn, progress, "learning the rotation")


def _bits(vectors: int) -> int:
    return min(BITS, vectors.bit_length() - 1)


def _hnsw(step: Step, vectors: np.ndarray, progress: Progress) -> FaissIndex:
    """Build hierarchical navigable small worlds (Malkov and Yashunin 2020), the same graph every time."""
    links, dimensions = int(step.args[0]), vectors.shape[1]
    if links < 2:
        raise WorkbenchError(f"index {step}: a graph node needs at least two links; valid: hnsw:2 …")
    index: Any = faiss.IndexHNSWFlat(dimensions, links, faiss.METRIC_INNER_PRODUCT)
    with kmeans.one_thread():  # several threads would add in an order that differs between runs
        for chunk in kmeans.chunks(vectors):
            for batch in np.array_split(chunk, -(-len(chunk) // 1024)):
                progress("linking the graph of the index", index.ntotal, len(vectors))
                index.add(batch)
    neighbours = faiss.vector_to_array(index.hnsw.neighbors).nbytes
    return FaissIndex((step,), index, 4 * dimensions + neighbours / len(vectors), 0, int(step.args[1]))


def _filled(
    steps: tuple[Step, ...],
    coarse: Step | None,
    code: Step | None,
    rotation: Any,
    vectors: np.ndarray,
    seed: int,
    progress: Progress,
) -> FaissIndex:
    """Train and fill an inverted file, product codes, or both."""
    dimensions, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT

    def rotate(batch: np.ndarray) -> np.ndarray:
        return batch if rotation is None else rotation.apply(batch)

    train = rotate(kmeans.sample(vectors, kmeans.VECTORS_PER_CENTROID * 2**BITS, seed))
    count, bits = (int(code.args[0]), _bits(len(train))) if code is not None else (0, 0)
    shared_bytes, vector_bytes = 4 * dimensions**2 * (rotation is not None), float(4 * dimensions)
    index: Any
    if coarse is not None:
        quantizer = fit_coarse_quantizer(coarse, train if rotation is not None else vectors, seed, progress)
        if code is not None and coarse.name == "ivf":
            quantizer = shorten_centroids(quantizer, train)
        shared_bytes += quantizer.shared_bytes
        index = (
            faiss.IndexIVFFlat(quantizer.quantizer, dimensions, quantizer.count, metric)
            if code is None
            else faiss.IndexIVFPQ(quantizer.quantizer, dimensions, quantizer.count, count, bits, metric)
        )
        index.own_fields = True
        quantizer.quantizer.this.disown()
    else:
        index = faiss.IndexPQ(dimensions, count, bits, metric)
    if code is not None:
        if coarse is not None:  # with an inverted file, codes are of the residuals from the cell's centroid
            train = train - quantizer.quantizer.reconstruct_batch(quantizer.assign(train))
        books = product_quantization.codebooks(train, count, bits, seed, progress)
        faiss.copy_array_to_vector(books.ravel(), index.pq.centroids)
        shared_bytes += 4 * 2**bits * dimensions
        vector_bytes = float(index.pq.code_size)
    index.is_trained = True
    for chunk in kmeans.chunks(vectors):
        progress("filling the index", index.ntotal, len(vectors))
        index.add(rotate(chunk))
    probes = int(coarse.args[1]) if coarse is not None else 0
    rotated: Any = index
    if rotation is not None:
        rotated = faiss.IndexPreTransform(rotation, index)
        rotated.own_fields = True
        index.this.disown()
        rotation.this.disown()
    return FaissIndex(steps, rotated, vector_bytes + _ID * (coarse is not None), shared_bytes, probes)
