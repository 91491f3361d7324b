"""Re-rankers: for each re-ranking step a function from queries and rankings to new queries and rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workbench.config import Step
from workbench.described import Ready
from workbench.engine.keypoints import Keypoints
from workbench.local import inverted, verification
from workbench.local.features import Features
from workbench.progress import Progress
from workbench.search import diffusion, expansion, reciprocal, shortlist
from workbench.search.found import Found, Index

# From queries [Q, D], their rankings and their local features to new queries and new rankings.
Again = Callable[[np.ndarray, list[Found], Sequence[Features], Progress], tuple[np.ndarray, list[Found]]]


def again_by(
    step: Step,
    vectors: np.ndarray,
    index: Index,
    progress: Progress,
    described: Ready,
    keypoints: Keypoints | None,
    behind_verification: bool,
) -> Again:
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
        return _spatial_verification(keypoints, int(step.args[0]))
    if step.name == "diffusion":
        k = int(step.args[0])
        graph = diffusion.graph(vectors, k, progress)
        return lambda queries, rankings, _, progress: (
            queries,
            diffusion.rerank(queries, vectors, rankings, graph, k, progress),
        )
    if step.name == "kreciprocal":
        k1, k2, share = int(step.args[0]), int(step.args[1]), step.args[2]
        neighbours = reciprocal.prepare(vectors, k1, k2, progress)
        return lambda queries, rankings, _, progress: (
            queries,
            reciprocal.rerank(queries, vectors, rankings, neighbours, k1, k2, share, progress),
        )
    # ``nojunk`` needs the query's ground truth: the searcher itself removes the junk.
    return lambda queries, rankings, *_: (queries, rankings)


def _query_expansion(
    vectors: np.ndarray, index: Index, n: int, alpha: float, behind_verification: bool
) -> Again:
    def rerank(
        queries: np.ndarray, rankings: list[Found], features: Sequence[Features], progress: Progress
    ) -> tuple[np.ndarray, list[Found]]:
        if not behind_verification:
            queries = expansion.expanded(queries, vectors, rankings, n, alpha)
            return queries, index.search(queries)
        verified = [verification.verified(ranking) for ranking in rankings]
        queries = expansion.expanded(queries, vectors, verified, n, alpha)
        pairs = zip(verified, index.search(queries), strict=True)
        return queries, [shortlist.behind(*pair) for pair in pairs]

    return rerank


def _hamming_embedding(described: Ready, keypoints: Keypoints, threshold: int, progress: Progress) -> Again:
    assert described.words is not None
    rows = len(described.collection.images)
    seed = described.source.options.seed
    embedding = inverted.embedding(described.words, rows, lambda: keypoints.stored(rows), seed, progress)

    def rerank(
        queries: np.ndarray, rankings: list[Found], features: Sequence[Features], progress: Progress
    ) -> tuple[np.ndarray, list[Found]]:
        return queries, [inverted.rescored(embedding, local, threshold) for local in features]

    return rerank


def _spatial_verification(keypoints: Keypoints, count: int) -> Again:
    def rerank(
        queries: np.ndarray, rankings: list[Found], features: Sequence[Features], progress: Progress
    ) -> tuple[np.ndarray, list[Found]]:
        reranked = []
        for done, (local, ranking) in enumerate(zip(features, rankings, strict=True)):
            progress("verifying", done, len(rankings))
            reranked.append(verification.reranked(local, ranking, keypoints.of, count, progress))
        return queries, reranked

    return rerank
