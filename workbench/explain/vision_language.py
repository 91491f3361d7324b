"""Split the score of an image for a text over the image's cells, by a vision–language model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.engine.engine import Engine
from workbench.engine.vision_language import check, text_vector
from workbench.explain.score import heatmaps


def text_heat(
    engine: Engine, config: Config, text: str, image_id: str, progress: Progress = silent
) -> tuple[float, NDArray[np.float32]]:
    """The score of an image for a text, and the contribution of each cell [H, W], which sum to it.

    Exact by Euler's theorem, as for two images: see ``explain.score``. A code has a single cell. Raises
    WorkbenchError if the pipeline's descriptors are not in the space of texts.
    """
    check(config)
    described = engine.describe(config, progress)
    row = described.image_row(image_id)
    vector = text_vector(described, text)
    score = float(described.descriptors.vectors[row] @ vector)
    (heat,) = heatmaps(described.maps(row), vector[None], described.config, described.descriptors)
    return score, heat.numpy()
