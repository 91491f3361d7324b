"""A described collection made searchable: its index, and what re-ranks the first results."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.collections.collection import Query
from workbench.collections.distractors import synthetic_count
from workbench.config import CODES, INVERTED, Config, Step, WorkbenchError
from workbench.described import Keypoints, OneAtATime, Ready
from workbench.local.features import Features
from workbench.local.inverted import InvertedFile
from workbench.progress import Progress, silent
from workbench.reranking import Again, again_by
from workbench.search import expansion, indexes, saved, synthetic
from workbench.search.codes import CodeIndex
from workbench.search.exact import Exact
from workbench.search.found import Found, Index

KEPT = 8  # searchers held in memory,
MOST_BYTES = (
    2**30
)  # as far as what they hold besides the descriptors takes no more than this; the newest always
WORTH = 1.0  # seconds of building, from which an index is kept on disk


@dataclass(frozen=True)
class Searcher:
    """A collection described by ``ready``, searched and re-ranked as ``config`` says.

    ``vectors`` [N, D] are the database as it is searched: the collection's images in their order, then
    synthetic distractors where the options ask for them. ``built`` are seconds that each part took to make.
    ``keypoints`` are the local features that re-ranking compares, where it does.
    """

    config: Config
    ready: Ready
    vectors: np.ndarray = field(repr=False)
    index: Index
    again: tuple[tuple[Step, Again], ...] = field(repr=False)
    built: dict[str, float]
    notes: tuple[str, ...] = ()
    keypoints: Keypoints | None = field(default=None, repr=False)

    def search(
        self,
        queries: torch.Tensor,
        junk: Sequence[Iterable[int]] = (),
        progress: Progress = silent,
        clock: dict[str, float] | None = None,
        features: Sequence[Features] = (),
    ) -> list[Found]:
        """What is found for queries [Q, D]: all that the index reaches, re-ranked.

        ``junk`` are for each query the rows that ``nojunk`` removes, ``features`` its local ones, where there
        are ``keypoints``. ``clock`` is told each step's seconds.
        """
        clock = {} if clock is None else clock
        asked = np.ascontiguousarray(queries.cpu().numpy(), np.float32)
        started = time.perf_counter()
        found = self.index.search(asked)
        clock["search"] = time.perf_counter() - started
        for step, again in self.again:
            started = time.perf_counter()
            if step.name == "nojunk":
                found = [_without(*one) for one in zip(found, junk or [()] * len(found), strict=True)]
            else:
                asked, found = again(asked, found, features, progress)
            clock[str(step)] = time.perf_counter() - started
        return found

    @property
    def bytes(self) -> float:
        """Of an image in memory: what the index has of it, and its vector where re-ranking needs that too."""
        whole = 4.0 * self.vectors.shape[1]
        needed = any(step.name not in ("he", "sv", "nojunk") for step, _ in self.again)
        local = self.keypoints.bytes if self.keypoints else 0.0
        return self.index.bytes + whole * (needed and self.index.bytes < whole) + local

    def coded(self, query: torch.Tensor, row: int) -> float | None:
        """The inner product of a query [D] with an image's product code; None where it has none."""
        codes = isinstance(self.index, indexes.FaissIndex) and self.index.centroids
        if not codes or any(step.name == "dba" for step in self.config.reranking_steps):
            return None
        return self.index.score(query.cpu().numpy(), row)  # type: ignore[attr-defined]

    def junk_of(self, query: Query | None) -> list[int]:
        """The rows of what the ground truth calls junk for a query, or ignores in every setting."""
        collection = self.ready.collection
        if query is None or collection.protocol is None:
            return []
        ignored = [junk for _, junk in collection.protocol.settings.values()]
        always = {"junk"}.union(frozenset.intersection(*ignored))
        grades, rows = collection.relevance.get(query.id, {}), self.ready.image_rows()
        return [rows[image] for image, grade in grades.items() if grade in always]


def _without(found: Found, rows: Iterable[int]) -> Found:
    """A ranking less some rows; whole where nothing would be left."""
    kept = ~np.isin(found.rows, np.fromiter(rows, np.int64))
    return Found(found.rows[kept], found.scores[kept]) if kept.any() else found


class Searchers:
    """Makes searchers, and remembers the last ones."""

    def __init__(self) -> None:
        self._kept: dict[str, Searcher] = {}
        self._lock = threading.Lock()  # of the dict, held for moments only
        self._alone = OneAtATime()

    def of(
        self, ready: Ready, config: Config, progress: Progress = silent, keypoints: Keypoints | None = None
    ) -> Searcher:
        """A collection described by ``config.description`` as ``config`` searches it."""
        name = str(config)
        with self._alone(name, progress):
            with self._lock:
                known = self._kept.pop(name, None)
            if known is None or known.ready is not ready or known.keypoints != keypoints:
                known = make(ready, config, progress, keypoints)
            with self._lock:
                self._kept[name] = known  # the newest last
                while len(self._kept) > KEPT or (len(self._kept) > 1 and self._bytes() > MOST_BYTES):
                    self._kept.pop(next(iter(self._kept)))
            return known

    def _bytes(self) -> float:
        return sum(_held(searcher) for searcher in self._kept.values())


def _held(searcher: Searcher) -> float:
    """Bytes that a searcher holds besides the descriptors."""
    own = searcher.vectors.nbytes * (len(searcher.again) > 0) + 0.0
    return own if isinstance(searcher.index, Exact) else own + searcher.index.bytes * searcher.index.size


def make(
    ready: Ready, config: Config, progress: Progress = silent, keypoints: Keypoints | None = None
) -> Searcher:
    """Extend and augment the database, build the index, prepare re-ranking."""
    options, built, notes = ready.source.options, dict[str, float](), list[str]()
    database: Any = ready.database
    if count := synthetic_count(options.distractors):
        if ready.words is not None:
            raise WorkbenchError(
                f"distractors {options.distractors!r}: counts of words cannot be drawn from a mean and a "
                "covariance; add a folder of photos instead"
            )
        own = np.ascontiguousarray(database.cpu().numpy(), np.float32)
        started = time.perf_counter()
        database = torch.from_numpy(
            synthetic.extended(own, count, options.seed, options.cache / "distractors", progress)
        )
        built["distractors"] = time.perf_counter() - started
    vectors = np.asarray(database.cpu().numpy(), np.float32)
    for step in config.reranking_steps:
        if step.name == "dba":
            started = time.perf_counter()
            vectors = expansion.augmented(vectors, int(step.args[0]), progress)
            database, built[str(step)] = torch.from_numpy(vectors), time.perf_counter() - started
    started = time.perf_counter()
    index: Index
    if ready.words is not None and not config.whitenings and not config.index_steps:
        index = InvertedFile.of(vectors)
    else:
        index = _index(config.index_steps, database, vectors, options, notes, progress)
    built["index"] = time.perf_counter() - started
    again: list[tuple[Step, Again]] = []
    for step in config.reranking_steps:
        if step.name != "dba":
            started = time.perf_counter()
            known = again[-1][0].name if again else ""
            again.append((step, again_by(step, vectors, index, progress, ready, keypoints, known == "sv")))
            built[str(step)] = time.perf_counter() - started
    notes = [*_said(config, index), *notes]
    return Searcher(config, ready, vectors, index, tuple(again), built, tuple(notes), keypoints)


def _index(
    steps: Sequence[Step],
    database: Any,
    vectors: np.ndarray,
    options: Any,
    notes: list[str],
    progress: Progress,
) -> Index:
    """The index: the one kept on disk, or made now, and kept where that took long."""
    if not steps:
        return indexes.build((), database, options.seed, progress)
    progress("building the index", 0, 0)
    name = ",".join(map(str, steps))
    of = saved.fingerprint(vectors, name, options.seed)
    path: Path = options.cache / "indexes" / f"{of}.index"
    if path.exists():
        try:
            return saved.read(path, of)
        except WorkbenchError as error:
            notes.append(f"a saved index was of no use and is made anew: {error}")
    started = time.perf_counter()
    index = indexes.build(steps, vectors, options.seed, progress)
    if time.perf_counter() - started > WORTH or path.exists():
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not the index
            saved.write(path, index, of)
    return index


def _said(config: Config, index: Index) -> Iterable[str]:
    """What must be said beside numbers that this search made."""
    for step in config.index_steps:
        if step.name in INVERTED:
            cells = int(step.args[0]) if step.name == "ivf" else 4 ** int(step.args[0])
            yield (
                f"approximate index: {step} looks at {int(step.args[1])} of {cells} cells, "
                "images in others count as not found"
            )
        elif step.name == "hnsw":
            yield f"approximate index: {step} finds {int(step.args[1])} images, others count as not found"
        elif step.name in CODES:
            yield f"approximate index: scores are of codes by {step}, {index.bytes:g} bytes an image"
    if isinstance(index, indexes.FaissIndex) and (few := index.centroids) and few < 2**indexes.BITS:
        yield f"codes have {few} centroids, not {2**indexes.BITS}: there are no more images to learn from"
    if isinstance(index, CodeIndex) and index.warning:
        yield index.warning
    for step in config.reranking_steps:
        if step.name == "nojunk":
            yield "junk was removed by the ground truth before re-ranking, as no user could"
