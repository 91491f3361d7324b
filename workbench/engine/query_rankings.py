"""The rankings of all queries of a collection, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.collection import Query, require_ground_truth
from workbench.common.progress import Progress, silent
from workbench.engine.graded_queries import GradedQueries
from workbench.engine.searcher import Searcher
from workbench.evaluation.grades import JUNK, SELF
from workbench.evaluation.positives import PositiveRanks, count_positives, rank_positives
from workbench.search import exact, faiss_index
from workbench.search.ranking import Ranking

FEATURE_BATCH = 64  # queries whose local features are held at a time


class Judged(NamedTuple):
    """A query, and the rows of its positives and of ignored images, in the headline setting.

    The image of the query itself is neither, unless the protocol counts it as positive; it is ``own``.
    """

    query: Query
    positives: NDArray[np.int64]
    ignored: NDArray[np.int64]
    own: NDArray[np.int64]


def block_size(searcher: Searcher) -> int:
    """The number of queries that are searched at a time, so that their scores fit into memory."""
    size = max(1, exact.TOGETHER // max(1, searcher.index.size))
    return min(size, FEATURE_BATCH) if searcher.keypoints else size


def judged_rankings(searcher: Searcher, progress: Progress = silent) -> Iterator[tuple[Judged, Ranking]]:
    """Rank the database for every query, and judge it by the collection's protocol.

    Raises WorkbenchError if the collection has no ground truth.
    """
    described = searcher.described
    rows, queries, judged = described.query_rows(), described.collection.queries, _judged(searcher)
    block = block_size(searcher)
    for start in range(0, len(queries), block):
        at = slice(start, start + block)
        rankings = searcher.search(
            described.descriptors.vectors[rows[at]],
            [searcher.junk_of(query) for query in queries[at]],
            progress,
            features=searcher.features(rows[at]),
        )
        for number, ranking in enumerate(rankings, start):
            progress("ranking", number, len(queries))
            yield next(judged), ranking


def judged_scores(
    searcher: Searcher, progress: Progress = silent
) -> Iterator[tuple[Judged, NDArray[np.float32]]]:
    """Judge every query of an exhaustive search, and give its scores [N] of all images, unsorted.

    For what can be counted without a ranking. Raises WorkbenchError if there is no ground truth.
    """
    described = searcher.described
    rows, queries, judged = described.query_rows(), described.collection.queries, _judged(searcher)
    block = block_size(searcher)
    for start in range(0, len(queries), block):
        at = rows[start : start + block]
        similarities = searcher.similarities(described.descriptors.vectors[at], searcher.features(at))
        for number, scores in enumerate(similarities, start):
            progress("ranking", number, len(queries))
            yield next(judged), scores


def _judged(searcher: Searcher) -> Iterator[Judged]:
    collection = searcher.described.collection
    protocol = require_ground_truth(collection)
    positive, ignored = protocol.settings[protocol.headline]
    of_grades = (positive, (ignored | {JUNK}) - positive, frozenset({SELF}))
    truth = GradedQueries(collection, searcher.described.image_rows(), protocol)
    for query, graded in zip(collection.queries, truth, strict=True):
        yield Judged(query, *(np.asarray(graded.ids, np.int64)[graded.among(g)] for g in of_grades))


class RankedQuery(NamedTuple):
    """The first results of a query, the number of all, and the ranks of its positives in each setting."""

    first: Ranking
    length: int
    positives: dict[str, PositiveRanks]


def rank_queries(searcher: Searcher, k: int, progress: Progress = silent) -> Iterator[RankedQuery]:
    """Rank the database for every query; keep the first ``k`` results and the ranks of the positives.

    In an exhaustive search without re-ranking, ranks are counted from the scores of all images, and the
    images behind the first ``k`` are not sorted. Raises WorkbenchError if there is no ground truth.
    """
    described = searcher.described
    collection = described.collection
    protocol = require_ground_truth(collection)
    rows, queries = described.query_rows(), collection.queries
    truth = GradedQueries(collection, described.image_rows(), protocol)
    exhaustive, block = searcher.exhaustive, block_size(searcher)
    least = None if exhaustive is not None else _candidates(searcher, truth)
    for start in range(0, len(queries), block):
        at = slice(start, start + block)
        vectors = described.descriptors.vectors[rows[at]]
        progress("ranking", start, len(queries))
        if exhaustive is not None:
            similarities = searcher.similarities(vectors, searcher.features(rows[at]))
            for number, ranking in enumerate(exact.rankings(similarities, min(k, exhaustive.size)), start):
                progress("ranking", number, len(queries))
                positives = count_positives(similarities[number - start], truth[number], protocol)
                yield RankedQuery(ranking, exhaustive.size, positives)
            continue
        junk = [searcher.junk_of(query) for query in queries[at]]
        features = searcher.features(rows[at])
        rankings = searcher.search(vectors, junk, progress, features=features, k=least)
        for number, ranking in enumerate(rankings, start):
            progress("ranking", number, len(queries))
            positives = rank_positives(
                ranking.rows, truth[number], protocol, queries[number].id, ranking.scores
            )
            first = Ranking(ranking.rows[:k].copy(), ranking.scores[:k].copy())
            yield RankedQuery(first, len(ranking.rows), positives)


def _candidates(searcher: Searcher, truth: GradedQueries) -> int | None:
    """The number of candidates of a graph: the whole ranking, or twice the positives that a query has."""
    if not searcher.index.graph:
        return None
    return max([faiss_index.CANDIDATES, *(2 * len(graded.ids) for graded in truth)])
