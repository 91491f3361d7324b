"""Search a collection for the keypoints nearest to one keypoint."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.engine.description import DescribedCollection
from workbench.engine.keypoints import Keypoints


def nearest_patches(
    described: DescribedCollection,
    keypoints: Keypoints,
    descriptor: np.ndarray,
    k: int = 12,
    without: str | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The ``k`` images with the keypoint most similar to a descriptor [D], by exact search through all.

    Returns a DataFrame of rank, image_id, keypoint (row of the image's best keypoint), distance, and x0, y0,
    x1, y1 of its patch as fractions. The image ``without`` is left out.
    """
    images = described.collection.images
    rows, best, best_keypoints, boxes = [], list[float](), list[int](), list[np.ndarray]()
    for done, (row, features) in enumerate(keypoints.stored(len(images))):
        progress("looking through keypoints", done, len(images))
        if len(features) and images[row] != without:
            cosines = features.descriptors @ descriptor
            nearest = int(cosines.argmax())
            rows.append(row)
            best.append(float(cosines[nearest]))
            best_keypoints.append(nearest)
            boxes.append(features.boxes[nearest])
    order = np.lexsort((np.array(rows, int), -np.array(best)))[:k]
    corners = np.array(boxes).reshape(-1, 4)[order]
    distances = np.sqrt((2 - 2 * np.array(best, float)[order]).clip(min=0))
    return Table(
        {
            "rank": np.arange(1, len(order) + 1),
            "image_id": [images[rows[i]] for i in order],
            "keypoint": np.array(best_keypoints, int)[order],
            "distance": distances,
            **{name: corners[:, side] for side, name in enumerate(("x0", "y0", "x1", "y1"))},
        }
    )
