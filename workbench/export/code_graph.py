"""Codes in the graph: a descriptor to the bytes that an index stores of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.config.steps import BINARY, Step
from workbench.export.builder import Builder, integers
from workbench.search.binary_index import CodeIndex
from workbench.search.faiss_index import FaissIndex
from workbench.search.lsh import Hyperplanes
from workbench.search.ranking import Index
from workbench.search.spherical_hashing import Spheres

faiss = lazy_module("faiss")


def code_step(steps: Sequence[Step]) -> Step | None:
    """The step of an index that gives codes, or None."""
    return next((step for step in steps if step.name in (*BINARY, "pq", "opq")), None)


def code(graph: Builder, vector: str, index: Index) -> str:
    """The code uint8 [1, B] of a descriptor [1, D]: packed bits, or the number of each part's centroid."""
    if isinstance(index, CodeIndex):
        planes = index.coder
        bits = (
            _planes(graph, vector, planes)
            if isinstance(planes, Hyperplanes)
            else _spheres(graph, vector, planes)
        )
        return _packed(graph, bits)
    assert isinstance(index, FaissIndex)
    return _product(graph, vector, index)


def _planes(graph: Builder, vector: str, planes: Hyperplanes) -> str:
    """The side of each hyperplane, [1, B]; those of ITQ are of the centred vector."""
    chain = faiss.downcast_VectorTransform(planes.coder.chain.at(0))
    if isinstance(chain, faiss.ITQTransform):
        vector = graph("Sub", vector, faiss.vector_to_array(chain.mean))
        norm = graph("ReduceL2", vector, integers(1), keepdims=1)
        vector = graph("Div", vector, graph("Max", norm, np.array(1e-12, np.float32)))
        chain = chain.pca_then_itq
    values = _linear(graph, vector, chain)
    return graph("GreaterOrEqual", values, np.zeros(1, np.float32))


def _linear(graph: Builder, vector: str, linear: Any) -> str:
    """A linear transform of FAISS."""
    matrix = faiss.vector_to_array(linear.A).reshape(linear.d_out, linear.d_in)
    values = graph("MatMul", vector, np.ascontiguousarray(matrix.T))
    return graph("Add", values, faiss.vector_to_array(linear.b)) if linear.have_bias else values


def _spheres(graph: Builder, vector: str, spheres: Spheres) -> str:
    """Which spheres contain the vector, [1, B]."""
    length = graph("ReduceSumSquare", vector, integers(1), keepdims=1)
    near = graph(
        "Sub",
        graph("MatMul", vector, np.ascontiguousarray(spheres.pivots.T, np.float32)),
        graph("Div", length, np.array(2, np.float32)),
    )
    return graph("GreaterOrEqual", near, spheres.bounds.astype(np.float32))


def _packed(graph: Builder, bits: str) -> str:
    """Bits [1, B] to bytes [1, B / 8], the lowest bit of a byte first."""
    eights = graph("Reshape", graph("Cast", bits, to=1), integers(1, -1, 8))
    values = (2.0 ** np.arange(8)).astype(np.float32)
    return graph("Cast", graph("ReduceSum", graph("Mul", eights, values), integers(2), keepdims=0), to=2)


def _product(graph: Builder, vector: str, index: FaissIndex) -> str:
    """The number of the centroid nearest to each part of the vector, [1, M]."""
    if index.rotated:
        vector = _linear(graph, vector, faiss.downcast_VectorTransform(index.index.chain.at(0)))
    pq = index.inner.pq
    books = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)
    parts = graph("Reshape", vector, integers(pq.M, 1, pq.dsub))
    products = graph("MatMul", parts, np.ascontiguousarray(books.transpose(0, 2, 1)))  # [M, 1, K]
    lengths = (books**2).sum(2)[:, None] / 2
    nearest = graph("ArgMax", graph("Sub", products, lengths.astype(np.float32)), axis=2, keepdims=0)
    return graph("Reshape", graph("Cast", nearest, to=2), integers(1, -1))


def encode(index: Index, vector: np.ndarray) -> np.ndarray:
    """The code uint8 [B] that an index gives a vector [D]: of product codes a byte for each part."""
    if isinstance(index, CodeIndex):
        return index.encode(vector[None])[0]
    assert isinstance(index, FaissIndex)
    pq = index.inner.pq
    codes = pq.compute_codes(np.ascontiguousarray(index.turned(vector[None])))
    unpacked = np.unpackbits(codes, axis=1, bitorder="little")[0][: pq.M * pq.nbits].reshape(pq.M, pq.nbits)
    return np.asarray((unpacked << np.arange(pq.nbits, dtype=np.uint8)).sum(1), np.uint8)
