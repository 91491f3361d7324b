"""The whole rankings of all queries of a collection, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.collection import Query, require_ground_truth
from workbench.common.progress import Progress, silent
from workbench.engine.searcher import Searcher
from workbench.evaluation.positives import JUNK, SELF
from workbench.evaluation.protocols import image_grades
from workbench.search import exact
from workbench.search.ranking import Ranking

FEATURE_BATCH = 64  # queries whose local features are held at a time


class JudgedRanking(NamedTuple):
    """A query, its ranking, and the rows of its positives and of ignored images, in the headline setting.

    The image of the query itself is neither, unless the protocol counts it as positive; it is ``own``.
    """

    query: Query
    ranking: Ranking
    positives: NDArray[np.int64]
    ignored: NDArray[np.int64]
    own: NDArray[np.int64]


def block_size(searcher: Searcher) -> int:
    """The number of queries that are searched at a time, so that their scores fit into memory."""
    size = max(1, exact.TOGETHER // max(1, searcher.index.size))
    return min(size, FEATURE_BATCH) if searcher.keypoints else size


def judged_rankings(searcher: Searcher, progress: Progress = silent) -> Iterator[JudgedRanking]:
    """Rank the database for every query, and judge it by the collection's protocol.

    Raises WorkbenchError if the collection has no ground truth.
    """
    described = searcher.described
    collection = described.collection
    protocol = require_ground_truth(collection)
    positive, ignored = protocol.settings[protocol.headline]
    ignored = (ignored | {JUNK}) - positive
    rows, truth, queries = described.query_rows(), described.ground_truth(), collection.queries
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
            grades = image_grades(truth[number], protocol, queries[number].id)

            def of(accepted: frozenset[str], grades: dict[int, str] = grades) -> NDArray[np.int64]:
                return np.array([row for row, grade in grades.items() if grade in accepted], np.int64)

            own = of(frozenset({SELF}))
            yield JudgedRanking(queries[number], ranking, of(positive), of(ignored), own)
