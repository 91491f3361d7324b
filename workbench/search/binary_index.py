"""An index of binary codes, searched exhaustively or within the cells of an inverted index."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.config.steps import Step
from workbench.search import hamming, kmeans, lsh, spherical_hashing
from workbench.search.hamming import Visit
from workbench.search.lsh import Hyperplanes
from workbench.search.probing import probing_steps
from workbench.search.quantizer import CoarseQuantizer, fit_coarse_quantizer
from workbench.search.ranking import IndexTraits, Ranking
from workbench.search.spherical_hashing import Spheres

faiss = lazy_module("faiss")


@dataclass(frozen=True)
class CodeIndex(IndexTraits):
    """Codes uint8 [N, B/8], sorted by cell and, within a cell, by row of the database.

    Scores are the fraction of equal bits for ``lsh`` and ``itq``, and the negative spherical Hamming
    distance for ``sh``. The codes of cell i are ``starts[i]`` … ``starts[i + 1]``; ``rows`` are their rows.
    """

    steps: tuple[Step, ...]
    coder: Spheres | Hyperplanes = field(repr=False)
    packed: np.ndarray = field(repr=False)
    cells: CoarseQuantizer | None = field(default=None, repr=False)
    starts: np.ndarray | None = field(default=None, repr=False)  # int64 [cells + 1]
    rows: np.ndarray | None = field(default=None, repr=False)  # uint32 [N]
    probes: int = 0  # cells

    @property
    def name(self) -> str:
        return ",".join(map(str, self.steps))

    @property
    def size(self) -> int:
        return len(self.packed)

    @property
    def cell_count(self) -> int:
        return 0 if self.cells is None else self.cells.count

    @property
    def bits(self) -> int:
        return 8 * self.packed.shape[1]

    @property
    def bytes(self) -> float:
        return float(self.packed.shape[1] + (0 if self.rows is None else self.rows.itemsize))

    @property
    def shared_bytes(self) -> int:
        cells = (
            0 if self.cells is None or self.starts is None else self.cells.shared_bytes + self.starts.nbytes
        )
        return self.coder.nbytes + cells

    @property
    def note(self) -> str:
        """The warning of the coder; empty if there is none."""
        return self.coder.warning

    def probing(self, probes: int) -> Self:
        return replace(self, steps=probing_steps(self.steps, probes), probes=probes)

    def encode(self, queries: np.ndarray) -> np.ndarray:
        """Encode vectors [Q, D] as codes uint8 [Q, B/8]."""
        return self.coder.encode(np.ascontiguousarray(queries, np.float32))

    def codes(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the codes uint8 [n, B/8] of rows of the database."""
        rows = np.asarray(rows, np.int64)
        if self.rows is not None:
            positions = np.empty(self.size, np.uint32)
            positions[self.rows] = np.arange(self.size, dtype=np.uint32)
            rows = positions[rows]
        return self.packed[rows]

    def similarities(self, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The scores float32 [Q, n] that vectors [n, D] outside the index have for queries [Q, D]."""
        codes = self.encode(queries), self.encode(others)
        return self._scores(hamming.distances_between(*codes, self._distance))

    def search(self, queries: np.ndarray, k: int | None = None) -> list[Ranking]:
        """Return the best ``k`` for each query [Q, D]; None: all in the probed cells. Ties go by row."""
        queries = np.ascontiguousarray(queries, np.float32)
        query_codes = self.encode(queries)

        def search_batch(start: int) -> list[Ranking]:
            part = slice(start, start + hamming.TOGETHER)
            visits = None if self.cells is None else self._visits(queries[part])
            nearest = hamming.nearest(query_codes[part], self.packed, self._distance, k, visits, self.rows)
            return [Ranking(rows, self._scores(distances)) for rows, distances in nearest]

        groups = range(0, len(queries), hamming.TOGETHER)
        if len(groups) == 1:
            return search_batch(0)
        with ThreadPoolExecutor(faiss.omp_get_max_threads()) as threads:
            return [ranking for group in threads.map(search_batch, groups) for ranking in group]

    def _visits(self, queries: np.ndarray) -> list[Visit]:
        """List the non-empty probed cells with the queries that probe them."""
        assert self.cells is not None and self.starts is not None
        probed = self.cells.probe(queries, self.probes)
        filled = (probed >= 0) & (np.diff(self.starts)[probed] > 0)
        query_positions, probe_positions = np.nonzero(filled)
        probed_cells = probed[query_positions, probe_positions]
        order = np.argsort(probed_cells, kind="stable")
        visited, first = np.unique(probed_cells[order], return_index=True)
        queries_of_cells = np.split(query_positions[order], first[1:])
        visits = [
            Visit(self.starts[c], self.starts[c + 1], q)
            for c, q in zip(visited, queries_of_cells, strict=False)
        ]
        unanswered = np.flatnonzero(~filled.any(1))  # all their cells are empty: compare every code
        return [*visits, Visit(0, self.size, unanswered)] if len(unanswered) else visits

    @property
    def _distance(self) -> hamming.Distance:
        return hamming.spherical if isinstance(self.coder, Spheres) else hamming.hamming

    def _scores(self, distances: np.ndarray) -> np.ndarray:
        return 0 - distances if isinstance(self.coder, Spheres) else 1 - distances / np.float32(self.bits)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays to save; ``from_state`` restores the index from them."""
        state = {"codes": self.packed, **self.coder.state()}
        if self.cells is not None and self.starts is not None and self.rows is not None:
            state |= {"starts": self.starts, "rows": self.rows}
            state["cells"] = faiss.serialize_index(self.cells.quantizer)
            state["cell_bytes"] = np.array([self.cells.shared_bytes])
        return state

    @classmethod
    def from_state(cls, steps: Sequence[Step], state: dict[str, np.ndarray]) -> CodeIndex:
        """Restore the index with these steps from the arrays that ``state`` returned."""
        coder = (Spheres if steps[-1].name == "sh" else Hyperplanes).from_state(state)
        if "cells" not in state:
            return cls(tuple(steps), coder, state["codes"])
        quantizer = faiss.deserialize_index(state["cells"])
        coarse_quantizer = CoarseQuantizer(quantizer, len(state["starts"]) - 1, int(state["cell_bytes"][0]))
        probes = int(steps[0].args[1])
        return cls(
            tuple(steps), coder, state["codes"], coarse_quantizer, state["starts"], state["rows"], probes
        )


def build(
    steps: Sequence[Step], vectors: np.ndarray, seed: int = 0, progress: Progress = silent
) -> CodeIndex:
    """Encode vectors [N, D], which may be a memory map: they are read in chunks.

    ``steps`` are a code (``lsh``, ``itq`` or ``sh``), optionally after an inverted index. Raises
    WorkbenchError, before any training, if the vectors do not fit the steps.
    """
    *inverted, code = steps
    bits, (n, dimensions) = int(code.args[0]), vectors.shape
    if code.name == "itq":
        lsh.check(bits, n, dimensions)
    coarse_quantizer = fit_coarse_quantizer(inverted[0], vectors, seed, progress) if inverted else None
    coder: Spheres | Hyperplanes
    if code.name == "lsh":
        coder = lsh.lsh(dimensions, bits, seed)
    elif code.name == "itq":
        coder = lsh.itq(vectors, bits, seed, progress)
    else:
        coder = spherical_hashing.fit(vectors, bits, seed, progress)
    packed = np.empty((n, bits // 8), np.uint8)
    assigned = np.zeros(n if coarse_quantizer else 0, np.int64)
    done = 0
    for chunk in kmeans.chunks(vectors):
        progress("filling the index", done, n)
        part = slice(done, done + len(chunk))
        packed[part] = coder.encode(chunk)
        if coarse_quantizer:
            assigned[part] = coarse_quantizer.assign(chunk)
        done += len(chunk)
    progress("filling the index", n, n)
    if not coarse_quantizer:
        return CodeIndex(tuple(steps), coder, packed)
    order = np.argsort(assigned, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(assigned, minlength=coarse_quantizer.count))])
    probes = int(inverted[0].args[1])
    return CodeIndex(
        tuple(steps), coder, packed[order], coarse_quantizer, starts, order.astype(np.uint32), probes
    )
