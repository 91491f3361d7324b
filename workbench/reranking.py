"""What each re-ranking step does to what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workbench.config import Step
from workbench.described import Keypoints, Ready
from workbench.local import inverted, verification
from workbench.local.features import Features
from workbench.progress import Progress
from workbench.search import diffusion, expansion, reciprocal, shortlist
from workbench.search.found import Found, Index

# From queries [Q, D], what was found for them and their local features, to new queries and what is found.
Again = Callable[[np.ndarray, list[Found], Sequence[Features], Progress], tuple[np.ndarray, list[Found]]]


def again_by(
    step: Step,
    vectors: np.ndarray,
    index: Index,
    progress: Progress,
    ready: Ready,
    keypoints: Keypoints | None,
    behind_verification: bool,
) -> Again:
    """What a re-ranking step does, prepared as far as it does not depend on the query.

    Query expansion ``behind_verification`` takes verified images only, and leaves them in front (Chum et al.,
    ICCV 2007).
    """
    if step.name in ("aqe", "alphaqe"):
        n, alpha = int(step.args[0]), step.args[1] if step.name == "alphaqe" else 0.0

        def expand(
            queries: np.ndarray, found: list[Found], features: Sequence[Features], progress: Progress
        ) -> tuple[np.ndarray, list[Found]]:
            sure = [verification.verified(one) for one in found] if behind_verification else found
            queries = expansion.expanded(queries, vectors, sure, n, alpha)
            again = index.search(queries)
            if behind_verification:
                again = [shortlist.behind(*pair) for pair in zip(sure, again, strict=True)]
            return queries, again

        return expand
    if step.name == "he":
        assert ready.words is not None and keypoints is not None
        rows, threshold = len(ready.collection.images), int(step.args[0])
        embedded = inverted.embedding(
            ready.words,
            rows,
            lambda: keypoints.stored(rows),
            ready.source.options.seed,
            progress,
        )

        def embed(
            queries: np.ndarray, found: list[Found], features: Sequence[Features], progress: Progress
        ) -> tuple[np.ndarray, list[Found]]:
            return queries, [inverted.rescored(embedded, one, threshold) for one in features]

        return embed
    if step.name == "sv":
        assert keypoints is not None
        first = int(step.args[0])

        def check(
            queries: np.ndarray, found: list[Found], features: Sequence[Features], progress: Progress
        ) -> tuple[np.ndarray, list[Found]]:
            again = []
            for done, (one, ranking) in enumerate(zip(features, found, strict=True)):
                progress("verifying", done, len(found))
                again.append(verification.reranked(one, ranking, keypoints.of, first, progress))
            return queries, again

        return check
    if step.name == "diffusion":
        k = int(step.args[0])
        graph = diffusion.graph(vectors, k, progress)
        return lambda queries, found, _, progress: (
            queries,
            diffusion.rerank(queries, vectors, found, graph, k, progress),
        )
    if step.name == "kreciprocal":
        k1, k2, share = int(step.args[0]), int(step.args[1]), step.args[2]
        neighbours = reciprocal.prepare(vectors, k1, k2, progress)
        return lambda queries, found, _, progress: (
            queries,
            reciprocal.rerank(queries, vectors, found, neighbours, k1, k2, share, progress),
        )
    return lambda queries, found, *_: (queries, found)  # nojunk, which needs to know the query
