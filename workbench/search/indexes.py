"""Indexes: a database arranged so that a search need not look at all of it, or not at all its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import faiss
import numpy as np
import torch

from workbench.config import BINARY, INVERTED, Step, WorkbenchError
from workbench.progress import Progress, silent
from workbench.search import cells, codes
from workbench.search.exact import Exact
from workbench.search.found import Found, Index, ordered

BITS = 8  # of the code of a sub-vector, as far as there are vectors to learn as many centroids
_ID = 8  # bytes of a row's number in an inverted list


@dataclass(frozen=True)
class FaissIndex:
    """An index of FAISS, by inner product. ``probes``: cells probed, or candidates held by hnsw."""

    steps: tuple[Step, ...]
    index: Any = field(repr=False)
    bytes: float
    shared_bytes: int
    probes: int = 0
    approximate: ClassVar[bool] = True
    ties: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return ",".join(map(str, self.steps))

    @property
    def size(self) -> int:
        return int(self.index.ntotal)

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Found]:
        """The best ``k`` for each query [Q, D]; None: all in the probed cells, hnsw's candidates, or all."""
        asked = np.ascontiguousarray(queries, np.float32)
        most = min(self.size, self._reach() if k is None else k)
        found = self._found(asked, most)
        lost = [position for position, one in enumerate(found) if not len(one.rows)]
        if lost:  # every probed cell is empty: all are looked at
            everything = replace(self, probes=self.inverted.nlist)._found(asked[lost], most)
            for position, one in zip(lost, everything, strict=True):
                found[position] = one
        return found

    def _found(self, queries: np.ndarray, k: int) -> list[Found]:
        with cells.threads(queries.size * self.size):
            if self.steps[0].name == "imi":  # whose own search would visit cells twice: see ``cells.probe``
                scores, rows = self._visited(self.turned(queries), k)
            else:
                scores, rows = self.index.search(queries, k, params=self._parameters)
        return [ordered(*one) for one in zip(rows, scores, strict=True)]

    def _visited(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows [Q, k] in the cells that ``cells.probe`` names."""
        probed = cells.probe(self.inverted.quantizer, queries, self.probes)
        unused = np.zeros(probed.shape, np.float32)  # distances of cells, which inner product does not need
        scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        arrays = np.ascontiguousarray(queries, np.float32), probed, unused, scores, rows
        asked, *cell, best, found = map(faiss.swig_ptr, arrays)
        parameters = faiss.SearchParametersIVF(nprobe=self.probes)
        self.inverted.search_preassigned_c(len(queries), asked, k, *cell, best, found, False, parameters)
        return scores, rows

    @cached_property
    def inverted(self) -> Any:
        """The inverted file within, or None."""
        return self.inner if isinstance(self.inner, faiss.IndexIVF) else None

    def turned(self, queries: np.ndarray) -> np.ndarray:
        """Queries [Q, D] as what is within sees them: rotated by ``opq``, or as they are."""
        if not self._rotated:
            return queries
        return np.asarray(faiss.downcast_VectorTransform(self.index.chain.at(0)).apply(queries))

    @cached_property
    def _rotated(self) -> bool:
        return isinstance(faiss.downcast_index(self.index), faiss.IndexPreTransform)

    @cached_property
    def inner(self) -> Any:
        index = faiss.downcast_index(self.index)
        return faiss.downcast_index(index.index) if self._rotated else index

    @property
    def centroids(self) -> int:
        """Of each sub-vector's codebook; 0 where there are no product codes."""
        return int(self.inner.pq.ksub) if hasattr(self.inner, "pq") else 0

    def score(self, query: np.ndarray, row: int) -> float:
        """The score that the index gives a row of the database for a query [D], in whatever cell it is."""
        asked, inverted = np.ascontiguousarray(query[None], np.float32), self.inverted
        if inverted is None:
            return float(asked[0] @ self.index.reconstruct(row))
        parameters = faiss.SearchParametersIVF(
            sel=faiss.IDSelectorBatch(np.array([row])), nprobe=inverted.nlist
        )
        if self._rotated:
            parameters = faiss.SearchParametersPreTransform(index_params=parameters)
        return float(self.index.search(asked, 1, params=parameters)[0][0, 0])

    def _reach(self) -> int:
        if self.steps[0].name == "hnsw":
            return self.probes
        if self.inverted is None:
            return self.size
        return max(1, int(self._largest[: self.probes].sum()))

    @cached_property
    def _largest(self) -> np.ndarray:
        """How many vectors the cells hold, the fullest first."""
        lists = self.inverted.invlists
        return np.sort([lists.list_size(cell) for cell in range(lists.nlist)])[::-1]

    @cached_property
    def _parameters(self) -> Any:
        if self.steps[0].name == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=self.probes)
        if self.inverted is None:
            return None
        inverted = faiss.SearchParametersIVF(nprobe=self.probes)
        return faiss.SearchParametersPreTransform(index_params=inverted) if self._rotated else inverted


def build(steps: Sequence[Step], vectors: Any, seed: int = 0, progress: Progress = silent) -> Index:
    """An index of vectors [N, D] of unit length (an array, a tensor or a memory map), by its steps.

    None: exact search. Trained on at most 65,536 of them, or 256 a centroid; read in chunks. With fewer
    than 256 vectors product quantisation has as many centroids as they allow: a power of two. Raises
    WorkbenchError, before any training, where the vectors are not finite or do not fit the steps.
    """
    data = np.asarray(vectors) if isinstance(vectors, torch.Tensor) else vectors
    if data.ndim != 2 or not len(data):
        raise WorkbenchError(f"an index needs vectors [N, D], not {tuple(data.shape)}")
    start = 0
    for chunk in cells.chunks(data):
        finite = np.isfinite(chunk).all(1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise WorkbenchError(f"vector {row} is not finite: an index of it would find nothing")
        start += len(chunk)
    if not steps:
        return Exact(torch.as_tensor(vectors))
    if any(step.name in BINARY for step in steps):
        return codes.build(steps, data, seed, progress)
    if steps[0].name == "hnsw":
        return _hnsw(steps[0], data, progress)
    code = next((step for step in steps if step.name in ("pq", "opq")), None)
    if code is not None:
        _check_codes(code, data)
    rotation = _rotation(code, data, seed, progress) if code is not None and code.name == "opq" else None
    coarse = steps[0] if steps[0].name in INVERTED else None
    return _filled(tuple(steps), coarse, code, rotation, data, seed, progress)


def with_probes(index: Index, probes: int) -> Index:
    """The same index, nothing copied, that probes so many cells (hnsw: holds so many candidates)."""
    first, *rest = index.steps  # type: ignore[attr-defined]
    step = Step(first.name, (first.args[0], float(probes)))
    return replace(index, steps=(step, *rest), probes=probes)  # type: ignore[type-var]


def _check_codes(step: Step, vectors: np.ndarray) -> None:
    count, (n, dimensions) = int(step.args[0]), vectors.shape
    if dimensions % count:
        valid = ", ".join(str(m) for m in range(1, dimensions + 1) if dimensions % m == 0)
        raise WorkbenchError(
            f"index {step}: {dimensions} dimensions do not divide into {count} equal parts; valid: {valid}"
        )
    if n < 2:
        raise WorkbenchError(f"index {step}: codes are learned from two vectors at least, and there is {n}")
    if step.name == "opq" and n < dimensions:
        raise WorkbenchError(
            f"index {step}: a rotation of {dimensions} dimensions is learned from as many vectors at least, "
            f"and there are {n}; use pq:{count}, or reduce the dimensions first"
        )


def _hnsw(step: Step, vectors: np.ndarray, progress: Progress) -> FaissIndex:
    """Hierarchical navigable small worlds (Malkov and Yashunin 2020), the same graph every time."""
    links, dimensions = int(step.args[0]), vectors.shape[1]
    if links < 2:
        raise WorkbenchError(f"index {step}: a node of the graph needs two links at least; valid: hnsw:2 …")
    index: Any = faiss.IndexHNSWFlat(dimensions, links, faiss.METRIC_INNER_PRODUCT)
    with cells.one_thread():  # several add in an order that differs from run to run
        for chunk in cells.chunks(vectors):
            for some in np.array_split(chunk, -(-len(chunk) // 1024)):
                progress("linking", index.ntotal, len(vectors))
                index.add(some)
    neighbours = faiss.vector_to_array(index.hnsw.neighbors).nbytes
    return FaissIndex((step,), index, 4 * dimensions + neighbours / len(vectors), 0, int(step.args[1]))


def _rotation(step: Step, vectors: np.ndarray, seed: int, progress: Progress) -> Any:
    """OPQ's rotation (Ge, He, Ke and Sun, CVPR 2013), by FAISS."""
    progress("turning the axes", 0, 0)
    train = cells.sample(vectors, cells.A_CELL * 2**BITS, seed)
    rotation: Any = faiss.OPQMatrix(vectors.shape[1], int(step.args[0]))
    quantizer = faiss.ProductQuantizer(vectors.shape[1], int(step.args[0]), _bits(len(train)))
    quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed + 1, 1
    rotation.pq = quantizer
    with cells.one_thread():  # its many small products wait for one another where other programs run
        rotation.train(train)
    rotation.pq = None  # it goes with this function
    return rotation


def _bits(vectors: int) -> int:
    return min(BITS, vectors.bit_length() - 1)


def _filled(
    steps: tuple[Step, ...],
    coarse: Step | None,
    code: Step | None,
    rotation: Any,
    vectors: np.ndarray,
    seed: int,
    progress: Progress,
) -> FaissIndex:
    """An inverted file, product codes, or both, trained and filled."""
    dimensions, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT

    def turned(some: np.ndarray) -> np.ndarray:
        return some if rotation is None else rotation.apply(some)

    train = turned(cells.sample(vectors, cells.A_CELL * 2**BITS, seed))
    count, bits = (int(code.args[0]), _bits(len(train))) if code is not None else (0, 0)
    shared, a_vector = 4 * dimensions**2 * (rotation is not None), float(4 * dimensions)
    index: Any
    if coarse is not None:
        found = cells.fit(coarse, train if rotation is not None else vectors, seed, progress)
        if code is not None and coarse.name == "ivf":
            found = cells.shortened(found, train)
        shared += found.shared_bytes
        index = (
            faiss.IndexIVFFlat(found.quantizer, dimensions, found.count, metric)
            if code is None
            else faiss.IndexIVFPQ(found.quantizer, dimensions, found.count, count, bits, metric)
        )
        index.own_fields = True
        found.quantizer.this.disown()
    else:
        index = faiss.IndexPQ(dimensions, count, bits, metric)
    if code is not None:
        if coarse is not None:  # with an inverted file, codes are of what is left beyond the cell's centroid
            cell = found.assign(train)
            centroids = found.quantizer.reconstruct_batch(cell)
            train = train - centroids
        books = [
            cells.means(np.ascontiguousarray(part), 2**bits, seed + m, progress)
            for m, part in enumerate(np.split(train, count, axis=1))
        ]
        faiss.copy_array_to_vector(np.concatenate(books).ravel(), index.pq.centroids)
        shared += 4 * 2**bits * dimensions
        a_vector = float(index.pq.code_size)
    index.is_trained = True
    for chunk in cells.chunks(vectors):
        progress("filling the index", index.ntotal, len(vectors))
        index.add(turned(chunk))
    probes = int(coarse.args[1]) if coarse is not None else 0
    whole: Any = index
    if rotation is not None:
        whole = faiss.IndexPreTransform(rotation, index)
        whole.own_fields = True
        index.this.disown()
        rotation.this.disown()
    return FaissIndex(steps, whole, a_vector + _ID * (coarse is not None), shared, probes)
