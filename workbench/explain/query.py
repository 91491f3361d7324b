"""Explain the score of an image for a query of any kind."""

from __future__ import annotations

from typing import Any

from workbench.collections.lookup import image_at
from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.combined_search import combined_scores
from workbench.engine.engine import Engine
from workbench.engine.query_parts import SearchQuery, resolve
from workbench.explain.combined import explain_combined, explain_part
from workbench.explain.pair import explain_pair

AnyExplanation = Any  # Explanation, CombinedExplanation or TextExplanation, by the kind of the query


def explain_query(
    engine: Engine,
    config: Config,
    query: SearchQuery,
    image_id: str,
    box: Box | None,
    progress: Progress,
) -> AnyExplanation:
    """Explain the score of an image for a query of any kind: see ``Bench.explain``."""
    resolved = resolve(engine.collection, query, box=box)
    if resolved.picture is not None:
        return explain_pair(engine, config, resolved.picture[0], image_id, resolved.picture[1], progress)
    assert resolved.parts is not None
    image_id = _image(engine, image_id)
    if len(resolved.active) == 1:
        return explain_part(engine, config, resolved.active[0].part, image_id, progress)
    scores = combined_scores(engine, config, resolved.parts, progress)
    return explain_combined(engine, config, scores, image_id, progress)


def _image(engine: Engine, image_id: str) -> str:
    """The id of an image, by its id or its path. Raises WorkbenchError if it is not in the collection."""
    image = image_at(engine.collection, str(image_id))
    if image is None or image not in engine.collection.images:
        raise WorkbenchError(f"{str(image_id)!r} is not an image of {engine.collection.name!r}")
    return image
