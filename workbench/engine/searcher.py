"""Search a described collection: its index, and the re-ranking of the first results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from workbench.collections.collection import Query
from workbench.collections.distractors import synthetic_count
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step
from workbench.engine.description import DescribedCollection
from workbench.engine.index_cache import index_warnings, read_or_build
from workbench.engine.keypoints import Keypoints
from workbench.engine.rerankers import Reranker, reranker
from workbench.engine.server_index import served_index
from workbench.local.asmk import Kernel
from workbench.local.asmk_index import asmk_index
from workbench.local.features import LocalFeatures
from workbench.local.inverted_file import InvertedFile
from workbench.search import faiss_index, query_expansion, synthetic_distractors
from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.probing import search_at_least
from workbench.search.ranking import Exhaustive, Index, Ranking

ROUNDING = 1e-5  # largest relative difference of two scores that is taken for a rounding error


@dataclass(frozen=True)
class Searcher:
    """Search and re-rank the collection described by ``described`` as ``config`` says.

    ``vectors`` [N, D] is the database that is searched: the collection's images in their order, then
    synthetic distractors if the options ask for them. ``build_seconds`` is the time each part took to build.
    ``keypoints`` are the local features that the index or a re-ranker compares, else None; an index of local
    features has ``vectors`` without dimensions.
    """

    config: Config
    described: DescribedCollection
    vectors: np.ndarray = field(repr=False)
    index: Index
    rerankers: tuple[tuple[Step, Reranker], ...] = field(repr=False)
    build_seconds: dict[str, float]
    notes: tuple[str, ...] = ()
    keypoints: Keypoints | None = field(default=None, repr=False)

    def search(
        self,
        queries: torch.Tensor,
        junk: Sequence[Iterable[int]] = (),
        progress: Progress = silent,
        timings: dict[str, float] | None = None,
        features: Sequence[LocalFeatures] = (),
        k: int | None = None,
        only_first: bool = False,
    ) -> list[Ranking]:
        """The rankings of queries [Q, D]: all images that the index reaches, re-ranked.

        With ``k``, the index probes more cells, or holds more candidates, until it reaches ``k`` images. If
        ``only_first``, no more than these are needed: without re-ranking the others are not sorted.
        ``junk`` are the rows that ``nojunk`` removes for each query, ``features`` the local features of each
        query if there are ``keypoints``. ``timings`` collects the seconds of each step.
        """
        timings = {} if timings is None else timings
        vectors = np.ascontiguousarray((queries if queries.is_cpu else queries.cpu()).numpy(), np.float32)
        started = time.perf_counter()
        compared = features if self.index.compares_features else vectors
        if not self.rerankers:
            rankings = search_at_least(self.index, compared, k, only_first)
        else:
            # Re-ranking compares more than the first k, so a graph is searched for all that it reaches.
            rankings = search_at_least(self.index, compared, None if self.index.graph else k)
        timings["search"] = time.perf_counter() - started
        for step, rerank in self.rerankers:
            started = time.perf_counter()
            if step.name == "nojunk":
                rankings = [
                    _without(*pair) for pair in zip(rankings, junk or [()] * len(rankings), strict=True)
                ]
            else:
                vectors, rankings = rerank(vectors, rankings, features, progress)
            timings[str(step)] = time.perf_counter() - started
        if self.exhaustive is not None or not len(self.duplicates.rows):
            return rankings  # equal vectors already have equal scores
        # Of images with one vector, verification may have compared some only.
        tolerance = np.inf if self.keypoints is None else ROUNDING
        return self.duplicates.equalise(rankings, self.index.size, tolerance)

    def similarities(self, queries: torch.Tensor, features: Sequence[LocalFeatures] = ()) -> np.ndarray:
        """The scores float32 [Q, N] of queries [Q, D] by an index that is ``exhaustive``."""
        index = self.index.exhaustive
        assert index is not None
        return index.similarities(features if self.index.compares_features else queries)

    @cached_property
    def exhaustive(self) -> Exhaustive | None:
        """The index, if rankings are the images sorted by its ``similarities``; else None."""
        return None if self.rerankers else self.index.exhaustive

    @cached_property
    def duplicates(self) -> Duplicates:
        """The rows with the same vector, or the same file, as an earlier row."""
        if self.index.compares_features:  # equal files have equal keys
            _, content = np.unique(self.described.keys[0][: self.index.size], return_inverse=True)
            return find_duplicates(content.astype(np.int32)[:, None].view(np.uint8))
        return self.index.duplicates or find_duplicates(self.vectors)

    def features(self, rows: Sequence[int]) -> list[LocalFeatures]:
        """The local features of pictures by their rows, if the search compares them; else none."""
        return [self.keypoints.of(row) for row in rows] if self.keypoints else []

    @property
    def bytes(self) -> float:
        """The memory per image: its code or vector in the index, and its vector and its local features where
        re-ranking needs them."""
        whole = 4.0 * self.vectors.shape[1]
        needs_vectors = any(step.name not in ("he", "sv", "nojunk") for step, _ in self.rerankers)
        compared = self.keypoints and (self.keypoints.verifying or self.keypoints)
        local = compared.bytes if compared and self.rerankers else 0.0
        return self.index.bytes + whole * (needs_vectors and self.index.bytes < whole) + local

    def code_score(self, query: torch.Tensor, row: int) -> float | None:
        """The inner product of a query [D] with an image's product code; None without such codes."""
        if not self.index.centroids or any(step.name == "dba" for step in self.config.reranking_steps):
            return None
        return self.index.score(query.cpu().numpy(), row)

    def junk_of(self, query: Query | None) -> list[int]:
        """The rows that are junk for a query, or that every setting of the protocol ignores.

        None without a step that removes them.
        """
        collection = self.described.collection
        removing = any(step.name == "nojunk" for step, _ in self.rerankers)
        if query is None or collection.protocol is None or not removing:
            return []
        ignored = [junk for _, junk in collection.protocol.settings.values()]
        always_ignored = {"junk"}.union(frozenset.intersection(*ignored))
        grades, rows = collection.relevance.get(query.id, {}), self.described.image_rows()
        return [rows[image] for image, grade in grades.items() if grade in always_ignored]


def _without(ranking: Ranking, rows: Iterable[int]) -> Ranking:
    """A ranking without some rows; the whole ranking if nothing would be left."""
    kept = ~np.isin(ranking.rows, np.fromiter(rows, np.int64))
    return Ranking(ranking.rows[kept], ranking.scores[kept]) if kept.any() else ranking


def build_searcher(
    described: DescribedCollection,
    config: Config,
    progress: Progress = silent,
    keypoints: Keypoints | None = None,
) -> Searcher:
    """Add distractors to the database, augment it (``dba``), build the index and prepare the re-rankers."""
    options, seconds = described.source.options, dict[str, float]()
    database = described.descriptors.vectors[: len(described.collection.images)]
    if count := synthetic_count(options.distractors):
        if described.words is not None:
            raise WorkbenchError(
                f"distractors {options.distractors!r}: counts of words cannot be drawn from a mean and a "
                "covariance; add a folder of photos instead"
            )
        own = np.ascontiguousarray(database.cpu().numpy(), np.float32)
        started = time.perf_counter()
        database = torch.from_numpy(
            synthetic_distractors.with_distractors(
                own, count, options.seed, options.cache / "distractors", progress
            )
        )
        seconds["distractors"] = time.perf_counter() - started
    vectors = np.asarray(database.cpu().numpy(), np.float32)
    for step in config.reranking_steps:
        if step.name == "dba":
            started = time.perf_counter()
            vectors = query_expansion.augment_database(vectors, int(step.args[0]), progress)
            database, seconds[str(step)] = torch.from_numpy(vectors), time.perf_counter() - started
    started = time.perf_counter()
    index: Index
    cache_warnings: list[str] = []
    words = described.words is not None and not config.whitenings
    if not config.has_vectors:
        assert described.words is not None and keypoints is not None
        images, kernel = len(described.collection.images), Kernel.of(config.pooling)
        index = asmk_index(
            described.words, kernel, images, lambda: keypoints.stored(images), options.cache, progress
        )
        if index.repaired:
            cache_warnings.append("the stored sums of residuals were damaged and were computed again")
    elif options.index_server and not words:
        index = served_index(config, vectors, described, progress)
    elif config.index_steps:
        index, cache_warnings = read_or_build(config.index_steps, vectors, options, progress)
    elif words:
        index = InvertedFile.of(vectors)
    else:
        index = faiss_index.build((), database, options.seed, progress)
    seconds["index"] = time.perf_counter() - started
    rerankers: list[tuple[Step, Reranker]] = []
    for step in config.reranking_steps:
        if step.name != "dba":
            started = time.perf_counter()
            verified = bool(rerankers) and rerankers[-1][0].name == "sv"
            rerank = reranker(step, vectors, index, progress, described, keypoints, verified)
            rerankers.append((step, rerank))
            seconds[str(step)] = time.perf_counter() - started
    notes = (*index_warnings(config, index), *cache_warnings)
    return Searcher(config, described, vectors, index, tuple(rerankers), seconds, notes, keypoints)
