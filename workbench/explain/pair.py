"""Explain the score of an image of a collection for a query, by any pipeline."""

from __future__ import annotations

from dataclasses import replace

from workbench.collections.named_picture import NamedPicture
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.engine import Engine
from workbench.engine.provenance import search_warnings
from workbench.engine.queries import QueryLike, named_picture, query_features, query_maps, query_vector
from workbench.explain.asmk import explain_asmk
from workbench.explain.bag_of_words import explain_words
from workbench.explain.score import Explanation, explain
from workbench.local.asmk import Kernel


def explain_pair(
    engine: Engine, config: Config, query: QueryLike, image_id: str, box: Box | None, progress: Progress
) -> Explanation:
    """Explain the score of an image for a query: see ``Bench.explain``.

    Raises WorkbenchError if the image is not in the collection.
    """
    searcher = engine.searcher(config, progress, query)
    described = searcher.described
    row = described.image_row(image_id)
    if not config.has_vectors:
        assert described.words is not None and searcher.keypoints is not None
        asked = query_features(described, searcher.keypoints, query, box)
        explanation = explain_asmk(
            asked,
            searcher.keypoints.of(row),
            described.words.of(row),
            described.words,
            Kernel.of(config.pooling),
        )
    elif described.words is not None:
        _, keypoints = engine.keypoints(described.config, progress)
        pair = query_features(described, keypoints, query, box), keypoints.of(row)
        explanation = explain_words(*pair, described.words, described.config, described.descriptors)
    else:
        maps = query_maps(described, query, box)
        explanation = explain(maps, described.maps(row), described.config, described.descriptors)
    collection = engine.collection
    picture = NamedPicture(image_id, collection.path(image_id))
    explanation = replace(
        explanation,
        warnings=tuple(search_warnings(searcher)),
        pipeline=str(config),
        collection=collection.name,
        pictures=(named_picture(collection, query, box), picture),
    )
    if not config.index_steps:
        return explanation
    score = searcher.code_score(query_vector(described, query, box)[0], row)
    if score is None:
        return explanation
    return replace(explanation, score=score, constant=score - explanation.score)
