"""The exact scores of all images for one picture, without index and re-ranking."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.engine.engine import Engine
from workbench.engine.queries import QueryLike, query_features, query_vector


def exact_scores(
    engine: Engine, config: Config, query: QueryLike, box: Box | None, progress: Progress
) -> NDArray[np.float32]:
    """The score of each image for a query, float32 [N], by the pipeline without index and re-ranking."""
    config = config.description
    if config.has_vectors:
        described = engine.describe(config, progress, query)
        vector = query_vector(described, query, box)[0]
        return (described.database @ vector).cpu().numpy().astype(np.float32)
    searcher = engine.searcher(config, progress, query)
    assert searcher.keypoints is not None
    features = query_features(searcher.described, searcher.keypoints, query, box)
    return searcher.similarities(torch.zeros(1, 0), [features])[0]
