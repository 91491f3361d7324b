"""The scores of all images for one part of a query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.engine.exact_scores import exact_scores
from workbench.query.part import Part


def part_scores(
    engine: Engine, config: Config, part: Part, progress: Progress = silent
) -> NDArray[np.float32]:
    """The score of each image of the collection for a part, float32 [N], in the order of its images.

    An image is compared exactly, by the pipeline's descriptors without index and re-ranking.
    Raises WorkbenchError, which names the part, if it cannot be searched for: its image does not exist, or
    its box holds no pixel.
    """
    try:
        if part.kind == "image":
            return exact_scores(engine, config, part.value, part.box, progress)
        if part.kind == "text":
            from workbench.engine.text_search import text_scores

            return text_scores(engine, config, part.value, progress)
        from workbench.engine.sketch_search import colour_scores, sketch_scores

        if part.kind == "sketch":
            return sketch_scores(engine, config, part.value, progress)
        return colour_scores(engine, part.value, progress)
    except WorkbenchError as error:
        message = str(error)
        raise WorkbenchError(message if part.value in message else f"{part}: {message}") from None


def all_scores(
    engine: Engine, config: Config, parts: list[Part], progress: Progress = silent
) -> list[NDArray[np.float32]]:
    """The scores of several parts; equal parts are scored once.

    Describing the collection may find that images cannot be read, which then belong to no part's scores.
    """
    while True:
        images = engine.collection.images
        scores = {part: part_scores(engine, config, part, progress) for part in dict.fromkeys(parts)}
        if engine.collection.images == images:
            return [scores[part] for part in parts]
