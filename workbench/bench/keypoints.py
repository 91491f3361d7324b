"""``bench.keypoints``: search and look at single keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.common.arguments import result_count
from workbench.common.geometry import Box
from workbench.common.notebook_progress import notebook_progress
from workbench.common.progress import Progress
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
from workbench.learning.hardnet.inspection import MinedBatch, batch_sampler, load_network
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
        progress: Progress = notebook_progress,
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
        progress: Progress = notebook_progress,
    ) -> np.ndarray:
        """The patches uint8 [n, 32, 32] around keypoints of an image: the input of a patch network."""
        source, _ = self._engine.local_features(Config.parse(pipeline), progress, image)
        collection = self._engine.collection
        features = query_local_features(source, collection, image, box)
        return patches(query_picture(collection, image, box), features, np.asarray(keypoints, int))

    def hardnet_batch(
        self, network: str = "hardnet", *, number: int = 0, progress: Progress = notebook_progress
    ) -> MinedBatch:
        """A batch as in HardNet's training, of this collection, with the hardest negatives of a network.

        ``network`` is ``untrained``, ``hardnet`` or ``hardnet:NAME``; the batch of a ``number`` (from 0) is
        the same for all. Raises WorkbenchError if the photos have too few places, or the network is missing.
        """
        collection, options = self._engine.collection, self._engine.options
        model = load_network(network, options)
        sampler = batch_sampler(collection, options, progress)
        batch = sampler.mine(sampler.draw(number), model)
        return replace(batch, network=network, number=number, collection=collection.name)
