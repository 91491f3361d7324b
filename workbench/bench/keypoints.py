"""``bench.keypoints``: search and look at single keypoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.engine.engine import Engine
from workbench.engine.patch_search import nearest_patches
from workbench.engine.queries import (
    QueryLike,
    find_query,
    query_features,
    query_local_features,
    query_picture,
)
from workbench.local.matching import patches


class KeypointAccessor:
    """The methods of a bench that work on keypoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def nearest(
        self,
        image: QueryLike,
        keypoint: int,
        *,
        pipeline: str | Config = "sift/bow:4096/whole",
        box: Box | None = None,
        k: int = 12,
        progress: Progress = silent,
    ) -> pd.DataFrame:
        """The ``k`` images with the keypoints most similar to a keypoint of an image.

        ``keypoint`` is a row of ``bench.match(image, …).query``. Columns as of
        ``engine.patch_search.nearest_patches``, without the image that the keypoint is from.
        """
        k = result_count(k) or len(self._engine.collection.images)
        described, keypoints = self._engine.keypoints(Config.parse(pipeline), progress, image)
        features = query_features(described, keypoints, image, box)
        if not 0 <= keypoint < len(features):
            raise WorkbenchError(f"keypoint {keypoint} is not in this picture; it has {len(features)}")
        query = find_query(described.collection, image)
        without = query.image if query else None
        return nearest_patches(described, keypoints, features.descriptors[keypoint], k, without, progress)

    def patches(
        self,
        image: QueryLike,
        keypoints: Sequence[int],
        *,
        pipeline: str | Config = "sift/bow:4096/whole",
        box: Box | None = None,
        progress: Progress = silent,
    ) -> np.ndarray:
        """The patches uint8 [n, 32, 32] around keypoints of an image: the input of a patch network."""
        source, _ = self._engine.local_features(Config.parse(pipeline), progress, image)
        collection = self._engine.collection
        features = query_local_features(source, collection, image, box)
        return patches(query_picture(collection, image, box), features, np.asarray(keypoints, int))
