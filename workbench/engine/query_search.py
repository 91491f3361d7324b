"""Rank the database for a query, refined by further queries and by feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from workbench.common.arguments import result_count
from workbench.common.columns import Columns
from workbench.common.geometry import CORNERS, Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.description import DescribedCollection
from workbench.engine.engine import Engine
from workbench.engine.provenance import search_warnings
from workbench.engine.queries import QueryLike, find_query, query_features, query_vector, relevance_of
from workbench.local.features import LocalFeatures
from workbench.search import exact
from workbench.search.ranking import Ranking, ranking_columns
from workbench.search.relevance_feedback import Feedback, combine_queries, refine_query


@dataclass(frozen=True)
class SearchOptions:
    """How a query is refined, and what is returned of its ranking: see ``Bench.search``.

    ``judge``: also compute the AP.
    """

    k: int | None = 20
    also: Sequence[QueryLike] = ()
    feedback: Feedback | None = None
    locate: bool = False
    judge: bool = True


def rank_query(
    engine: Engine,
    config: Config,
    query: QueryLike,
    box: Box | None,
    progress: Progress,
    options: SearchOptions,
) -> Columns:
    """The first ``k`` images for a query, as columns: see ``Bench.search``. Raises WorkbenchError if k < 1.

    With further queries and feedback the query is refined in steps; ``moved`` compares the last two. The AP
    of the whole ranking is in ``attrs``, in each setting of the protocol, if the query has ground truth and
    ``judge`` is set. The id of the ``query`` is there, too, if it is of the collection.
    """
    k, also, feedback = result_count(options.k), options.also, options.feedback
    searcher = engine.searcher(config, progress, query, *also)
    described = searcher.described
    refined = also or feedback is not None
    vectors = [query_vector(described, query, box) if config.has_vectors or refined else torch.zeros(1, 0)]
    if also:
        all_vectors = [vectors[0], *(query_vector(described, other) for other in also)]
        vectors.append(combine_queries(torch.cat(all_vectors))[None])
    if feedback is not None:
        refined_vector = refine_query(vectors[-1][0], described.database, described.image_rows(), feedback)
        vectors.append(refined_vector[None])
    last = torch.cat(vectors[-2:])  # without and with the last refinement
    entry = find_query(described.collection, query)
    features: list[LocalFeatures] = []
    if searcher.keypoints is not None:
        features = [query_features(described, searcher.keypoints, query, box)] * len(last)
    first = 0 if k is None or len(last) > 1 or searcher.index.size > len(described.collection.images) else k
    # An index may reach fewer images for the first k than for a whole ranking.
    judge = options.judge and (k is None or not config.index_steps)
    scores: np.ndarray | None = None
    before: list[Ranking] = []
    if first and searcher.exhaustive is not None:  # the images behind the first k are only counted
        scores = searcher.similarities(last, features)
        (ranking,) = exact.rankings(scores, first)
    else:
        junk = [searcher.junk_of(entry)] * len(last)
        only_first = bool(first) and not (judge and entry is not None)  # the AP is that of the whole ranking
        *before, ranking = searcher.search(last, junk, progress, None, features, k, only_first=only_first)
    relevance = relevance_of(described.collection, query)
    ranked = ranking_columns(ranking, described.collection.images, relevance, k, *before)
    if judge:
        ranked.attrs.update(average_precision(described, query, ranking if scores is None else scores[0]))
    ranked.attrs["warnings"] = search_warnings(searcher)
    ranked.attrs["query"] = entry.id if entry else ""
    if options.locate:
        from workbench.engine.locate import locate_in_image

        boxes = []
        for done, image_id in enumerate(ranked.values["image_id"]):
            progress("locating the query in results", done, len(ranked))
            boxes.append(locate_in_image(described, last[-1], image_id).box)
        ranked.values.update(zip(CORNERS, np.array(boxes, float).reshape(-1, 4).T, strict=True))
    return ranked


def average_precision(
    described: DescribedCollection, query: QueryLike, ranked: Ranking | np.ndarray
) -> dict[str, float]:
    """The AP by the query's ground truth, as ``average_precisions`` names it; empty without it.

    ``ranked`` is the whole ranking, or the scores [N] of all images.
    """
    collection = described.collection
    entry, protocol = find_query(collection, query), collection.protocol
    if entry is None or protocol is None or entry.id not in collection.relevance:
        return {}
    from workbench.engine.graded_queries import GradedQueries
    from workbench.evaluation.query_measures import average_precisions

    graded = GradedQueries(collection, described.image_rows(), protocol).of(entry)
    return average_precisions(ranked, graded, protocol, entry.id)
