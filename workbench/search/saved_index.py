"""Restore an index from the content of a file that anybody may have written, within limits, and check it.

FAISS and the search loops trust the sizes, types and row numbers inside an index.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from safetensors.numpy import load

from workbench.common.lazy import lazy_module
from workbench.config.steps import INVERTED, Step, cell_count
from workbench.search.binary_index import CodeIndex
from workbench.search.faiss_index import FaissIndex
from workbench.search.lsh import Hyperplanes

faiss = lazy_module("faiss")

_BYTES, _COUNT = "deserialization_vector_byte_limit", "deserialization_loop_limit"  # FAISS before 1.13: none
_SMALL, _LARGEST_TABLES = 2**26, 2**31  # bytes
_FEW = 2**12  # parts of an index, such as the transformations of a chain
_lock = threading.Lock()


class Forged(ValueError):
    """The content of a saved index contradicts itself or its steps."""


def restore(steps: Sequence[Step], payload: bytes, fields: dict[str, Any]) -> FaissIndex | CodeIndex:
    """Restore an index by its steps from its payload and the sizes in its ``fields``.

    Raises Forged, or one of many errors of the libraries, if it is not an index of these steps.
    """
    probes = int(steps[0].args[1]) if len(steps[0].args) > 1 else 0
    with _limited({_BYTES: _most_bytes(steps, len(payload)), _COUNT: _most_parts(steps)}):
        if "bytes" not in fields:
            return _checked_codes(CodeIndex.from_state(steps, load(payload)))
        index = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
    sizes = fields["bytes"], fields["shared_bytes"]
    if not all(isinstance(size, int | float) and 0 <= size < 2**50 for size in sizes):
        raise Forged("its sizes are no numbers")
    restored = FaissIndex(tuple(steps), index, float(sizes[0]), int(sizes[1]), probes)
    _check(restored)
    return restored


def _most_bytes(steps: Sequence[Step], size: int) -> int:
    """Return the largest array that FAISS needs to read an index from a payload of ``size`` bytes.

    It counts the square of the larger side of a rotation, and the tables of residual codes.
    """
    coarse = next((step for step in steps if step.name in INVERTED), None)
    code = next((step for step in steps if step.name in ("pq", "opq")), None)
    tables = 4 * 256 * cell_count(coarse) * code.args[0] if coarse is not None and code is not None else 0
    return max(_SMALL, 16 * size) + int(min(tables, _LARGEST_TABLES))


def _most_parts(steps: Sequence[Step]) -> int:
    """Return the largest number of parts that an index has; each cell takes some hundred bytes, if empty."""
    coarse = next((step for step in steps if step.name in INVERTED), None)
    return max(_FEW, int(cell_count(coarse)) if coarse is not None else 0)


@contextmanager
def _limited(limits: dict[str, int]) -> Iterator[None]:
    """Let FAISS read no larger arrays, and no more parts, than by these limits, which are global."""
    with _lock:
        before = {name: getattr(faiss, f"get_{name}")() for name in limits if hasattr(faiss, f"set_{name}")}
        try:
            for name in before:
                getattr(faiss, f"set_{name}")(limits[name])
            yield
        finally:
            for name, limit in before.items():
                getattr(faiss, f"set_{name}")(limit)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise Forged(what)


def _require_finite(numbers: Any) -> None:
    """Raise Forged unless a vector of FAISS has finite numbers, float32 or stored as bytes."""
    array = faiss.vector_to_array(numbers)
    values = array.view(np.float32) if array.dtype == np.uint8 else array
    _require(bool(np.isfinite(values).all()), "its numbers are not finite")


def _check(index: FaissIndex) -> None:
    """Raise Forged unless a FAISS index is of its steps, and its row numbers are those of its vectors."""
    steps = {step.name: step for step in index.steps}
    code = steps.get("pq") or steps.get("opq")
    coarse = next((step for step in index.steps if step.name in INVERTED), None)
    inner, dimensions = index.inner, int(index.index.d)
    if "hnsw" in steps:
        kind = faiss.IndexHNSWFlat
    elif coarse is not None:
        kind = faiss.IndexIVFFlat if code is None else faiss.IndexIVFPQ
    else:
        kind = faiss.IndexPQ
    _require(type(inner) is kind and inner.metric_type == faiss.METRIC_INNER_PRODUCT, "it is of another kind")
    _require(index.size > 0 and inner.ntotal == index.size and inner.d == dimensions, "its sizes differ")
    _require(index.index.is_trained and inner.is_trained, "it is not trained")
    rotated = isinstance(faiss.downcast_index(index.index), faiss.IndexPreTransform)
    _require(rotated == ("opq" in steps), "it is of another kind")
    if rotated:
        chain = faiss.downcast_index(index.index).chain
        _require(
            chain.size() == 1 and chain.at(0).d_in == chain.at(0).d_out == dimensions, "its rotation differs"
        )
        _require_finite(faiss.downcast_VectorTransform(chain.at(0)).A)
        _check_bias(chain.at(0))
    if code is not None:
        count = int(code.args[0])
        quantizer = inner.pq
        _require(
            count == quantizer.M and quantizer.d == dimensions and 1 <= quantizer.nbits <= 8,
            "its codes differ",
        )
        _require(quantizer.centroids.size() == dimensions * quantizer.ksub, "its codebook differs")
        _require_finite(quantizer.centroids)
    if "hnsw" in steps:
        storage = faiss.downcast_index(inner.storage)
        _require(isinstance(storage, faiss.IndexFlat) and storage.d == dimensions, "its vectors differ")
        _require(storage.ntotal == index.size, "its vectors differ")
        _require_finite(storage.codes)
        _check_graph(inner.hnsw, index.size)
    if coarse is not None:
        _check_cells(inner, coarse, index.size)
    else:
        codes = inner.codes.size() if code is not None else storage.codes.size()
        width = inner.code_size if code is not None else 4 * dimensions
        _require(codes == index.size * width, "its codes differ")


def _check_bias(transform: Any) -> None:
    """Raise Forged if a linear transform claims to have a bias of another size than it has."""
    linear = faiss.downcast_VectorTransform(transform)
    if isinstance(linear, faiss.LinearTransform) and linear.have_bias:
        _require(linear.b.size() == linear.d_out, "its bias differs")


def _check_cells(inverted: Any, coarse: Step, size: int) -> None:
    """Raise Forged unless each row is in one cell, and the quantizer has as many cells as the lists."""
    lists, quantizer = inverted.invlists, faiss.downcast_index(inverted.quantizer)
    cells = int(cell_count(coarse))
    _check_quantizer(quantizer, coarse, int(inverted.d))
    _require(inverted.nlist == lists.nlist == cells, "its cells differ")
    rows = [np.empty(0, np.int64)]
    for cell in range(cells):
        if count := lists.list_size(cell):
            rows.append(faiss.rev_swig_ptr(lists.get_ids(cell), count).copy())
    _require(bool((np.sort(np.concatenate(rows)) == np.arange(size)).all()), "its row numbers differ")


def _check_quantizer(quantizer: Any, coarse: Step, dimensions: int) -> None:
    cells = int(cell_count(coarse))
    _require(quantizer.d == dimensions and quantizer.ntotal == cells, "its cells differ")
    if coarse.name == "ivf":
        _require(isinstance(quantizer, faiss.IndexFlat), "its cells are of another kind")
        _require(quantizer.codes.size() == 4 * dimensions * cells, "its centroids differ")
        _require_finite(quantizer.codes)
    else:
        _require(isinstance(quantizer, faiss.MultiIndexQuantizer), "its cells are of another kind")
        pq = quantizer.pq
        _require(pq.M == 2 and pq.nbits == int(coarse.args[0]) and pq.d == dimensions, "its cells differ")
        _require(pq.centroids.size() == dimensions * pq.ksub, "its centroids differ")
        _require_finite(pq.centroids)


def _check_graph(graph: Any, size: int) -> None:
    """Raise Forged unless the links of a graph lead to existing nodes of their level."""
    levels, offsets, links = (
        faiss.vector_to_array(part) for part in (graph.levels, graph.offsets, graph.neighbors)
    )
    widths = faiss.vector_to_array(graph.cum_nneighbor_per_level)  # links of a node up to each level
    _require(len(levels) == size and len(offsets) == size + 1 and len(widths) > 0, "its graph differs")
    _require(bool((np.diff(widths) >= 0).all()) and widths[0] == 0, "its graph differs")
    _require(levels.min() >= 1 and levels.max() < len(widths), "its levels differ")
    _require(bool((np.diff(offsets) == widths[levels]).all()), "its links differ")
    _require(offsets[0] == 0 and offsets[-1] == len(links), "its links differ")
    entry, top = int(graph.entry_point), int(graph.max_level)
    _require(0 <= entry < size and top == levels.max() - 1 == levels[entry] - 1, "its entry differs")
    within = np.arange(len(links)) - np.repeat(
        offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64)
    )
    level = np.searchsorted(widths, within, "right") - 1
    linked = links >= 0
    _require(bool((links >= -1).all() and (links < size).all()), "its links differ")
    _require(bool((levels[links[linked]] > level[linked]).all()), "its links differ")


def _checked_codes(index: CodeIndex) -> CodeIndex:
    """Return an index of binary codes. Raises Forged unless it is of its steps."""
    bits, packed, coder = int(index.steps[-1].args[0]), index.packed, index.coder
    _require(packed.dtype == np.uint8 and packed.ndim == 2 and len(packed) > 0, "its codes differ")
    _require(index.bits == bits, "its codes differ")
    if isinstance(coder, Hyperplanes):
        chain = coder.coder
        _require(
            isinstance(chain, faiss.IndexPreTransform) and chain.sa_code_size() * 8 == bits,
            "its coder differs",
        )
        _require(chain.is_trained and chain.chain.size() == 1, "its coder differs")
        _check_bias(chain.chain.at(0))
        dimensions = int(chain.d)
    else:
        pivots, radii = coder.pivots, coder.radii
        _require(
            pivots.ndim == 2 and pivots.shape[0] == bits and radii.shape == (bits,), "its spheres differ"
        )
        _require(bool(np.isfinite(pivots).all() and np.isfinite(radii).all()), "its spheres are not finite")
        dimensions = pivots.shape[1]
    coarse = index.steps[0] if index.steps[0].name in INVERTED else None
    _require((index.cells is None) == (coarse is None), "it is of another kind")
    if coarse is not None:
        assert index.cells is not None and index.starts is not None and index.rows is not None
        starts, rows = index.starts, index.rows
        _check_quantizer(faiss.downcast_index(index.cells.quantizer), coarse, dimensions)
        _require(starts.dtype == np.int64 and starts.shape == (index.cells.count + 1,), "its cells differ")
        _require(index.cells.count == int(cell_count(coarse)), "its cells differ")
        _require(
            bool((np.diff(starts) >= 0).all()) and starts[0] == 0 and starts[-1] == len(packed),
            "its cells differ",
        )
        _require(rows.dtype == np.uint32 and rows.shape == (len(packed),), "its row numbers differ")
        _require(bool((np.sort(rows) == np.arange(len(packed))).all()), "its row numbers differ")
    return index


def dimensions_of(index: FaissIndex | CodeIndex) -> int:
    """Return the dimensions of the vectors that an index is searched for."""
    if isinstance(index, FaissIndex):
        return int(index.index.d)
    coder = index.coder
    return int(coder.coder.d) if isinstance(coder, Hyperplanes) else int(coder.pivots.shape[1])
