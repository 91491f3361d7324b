"""Re-rankers: for each re-ranking step a function from queries and rankings to new queries and rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workbench.common.progress import Progress
from workbench.config.steps import Step
from workbench.engine.description import DescribedCollection
from workbench.engine.keypoints import Keypoints
from workbench.local import hamming_embedding, matchers, verification
from workbench.local.cells import CellFeatures
from workbench.local.features import LocalFeatures
from workbench.search import diffusion, k_reciprocal, query_expansion
from workbench.search.ranking import Index, Ranking

# From queries [Q, D], their rankings and their local features to new queries and new rankings.
Reranker = Callable[
    [np.ndarray, list[Ranking], Sequence[LocalFeatures], Progress], tuple[np.ndarray, list[Ranking]]
]


def reranker(
    step: Step,
    vectors: np.ndarray,
    index: Index,
    progress: Progress,
    described: DescribedCollection,
    keypoints: Keypoints | None,
    behind_verification: bool,
) -> Reranker:
    """The re-ranker of a step; whatever does not depend on the query is computed here.

    Query expansion ``behind_verification`` averages verified images only, and keeps them in front (Chum et
    al., ICCV 2007).
    """
    if step.name in ("aqe", "alphaqe"):
        alpha = step.args[1] if step.name == "alphaqe" else 0.0
        return _query_expansion(vectors, index, int(step.args[0]), alpha, behind_verification)
    if step.name == "he":
        assert keypoints is not None
        return _hamming_embedding(described, keypoints, int(step.args[0]), progress)
    if step.name == "sv":
        assert keypoints is not None
        return _spatial_verification(keypoints, step)
    if step.name == "diffusion":
        k = int(step.args[0])
        graph = diffusion.graph(vectors, k, progress)
        return lambda queries, rankings, _, progress: (
            queries,
            diffusion.rerank(queries, vectors, rankings, graph, k, progress),
        )
    if step.name == "kreciprocal":
        k1, k2, share = int(step.args[0]), int(step.args[1]), step.args[2]
        neighbours = k_reciprocal.prepare(vectors, k1, k2, progress)
        return lambda queries, rankings, _, progress: (
            queries,
            k_reciprocal.rerank(queries, vectors, rankings, neighbours, k1, k2, share, progress),
        )
    # ``nojunk`` needs the query's ground truth: the searcher itself removes the junk.
    return lambda queries, rankings, *_: (queries, rankings)


def _query_expansion(
    vectors: np.ndarray, index: Index, n: int, alpha: float, behind_verification: bool
) -> Reranker:
    def rerank(
        queries: np.ndarray, rankings: list[Ranking], features: Sequence[LocalFeatures], progress: Progress
    ) -> tuple[np.ndarray, list[Ranking]]:
        if not behind_verification:
            queries = query_expansion.expand_queries(queries, vectors, rankings, n, alpha)
            return queries, index.search(queries)
        verified = [verification.verified_results(ranking) for ranking in rankings]
        queries = query_expansion.expand_queries(queries, vectors, verified, n, alpha)
        pairs = zip(verified, index.search(queries), strict=True)
        return queries, [query_expansion.append_rest(*pair) for pair in pairs]

    return rerank


def _hamming_embedding(
    described: DescribedCollection, keypoints: Keypoints, threshold: int, progress: Progress
) -> Reranker:
    assert described.words is not None
    rows = len(described.collection.images)
    seed = described.source.options.seed
    embedding = hamming_embedding.hamming_embedding(
        described.words, rows, lambda: keypoints.stored(rows), seed, progress
    )

    def rerank(
        queries: np.ndarray, rankings: list[Ranking], features: Sequence[LocalFeatures], progress: Progress
    ) -> tuple[np.ndarray, list[Ranking]]:
        return queries, [
            hamming_embedding.rank_by_hamming_embedding(embedding, local, threshold) for local in features
        ]

    return rerank


def _spatial_verification(keypoints: Keypoints, step: Step) -> Reranker:
    verifying, count = keypoints.verifying or keypoints, int(step.args[0])
    matcher = matchers.matcher(verifying.source.spec.name, step.matched[1])

    def rerank(
        queries: np.ndarray, rankings: list[Ranking], features: Sequence[LocalFeatures], progress: Progress
    ) -> tuple[np.ndarray, list[Ranking]]:
        reranked = []
        for done, (local, ranking) in enumerate(zip(features, rankings, strict=True)):
            progress("verifying", done, len(rankings))
            detected = local.keypoints if isinstance(local, CellFeatures) else local
            assert detected is not None
            reranked.append(
                verification.rerank(detected, ranking, verifying.of, count, progress, matcher, step.geometry)
            )
        return queries, reranked

    return rerank
