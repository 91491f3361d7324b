"""Match the keypoints of two images, list the words they share, and find the patches most similar to one."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from workbench.described import Ready
from workbench.engine.keypoints import Keypoints
from workbench.features.batches import pixels
from workbench.local.features import Features
from workbench.local.patches import cut
from workbench.local.verification import Kind, Verified, verify
from workbench.local.words import Words
from workbench.progress import Progress, silent


@dataclass(frozen=True)
class Match:
    """The keypoints of a query and of an image, their matches, and the words they share.

    ``table`` has a row for each match, the best first: query_keypoint and image_keypoint (rows of the two
    features), distance, ratio, inlier, and for a bag of words word (-1 if the two keypoints have different
    words). ``words`` has a row for each shared word: word, idf, in_query and in_image (its counts), and
    contribution (to the score of ``bow`` alone, without later steps), the largest first; it is empty without
    words. ``named`` are the words of all keypoints of the query and of the image, -1 without words.
    """

    query: Features
    image: Features
    verified: Verified
    table: pd.DataFrame = field(repr=False)
    words: pd.DataFrame = field(repr=False)
    named: tuple[np.ndarray, np.ndarray] = field(repr=False)

    @property
    def inliers(self) -> int:
        """The number of matches at different places that one homography explains, 0 without one."""
        return self.verified.inliers


def match(query: Features, image: Features, words: Words | None = None, kind: Kind = "homography") -> Match:
    """Match two pictures' features and verify the matches by a transformation of ``kind``, as ``sv`` does."""
    verified = verify(query, image, kind=kind)
    query_words, image_words = (
        words.named(features) if words else np.full(len(features), -1) for features in (query, image)
    )
    query_rows, image_rows = verified.pairs.T
    same = query_words[query_rows] == image_words[image_rows]
    table = pd.DataFrame(
        {
            "query_keypoint": query_rows,
            "image_keypoint": image_rows,
            "distance": verified.distances.astype(float),
            "ratio": verified.ratios.astype(float),
            "inlier": verified.inside,
            **({"word": np.where(same, query_words[query_rows], -1)} if words else {}),
        }
    ).sort_values("distance", kind="stable", ignore_index=True)
    shared = shared_words(query_words, image_words, words)
    return Match(query, image, verified, table, shared, (query_words, image_words))


def shared_words(query_words: np.ndarray, image_words: np.ndarray, words: Words | None) -> pd.DataFrame:
    """The words that two pictures share, given the word of each of their keypoints."""
    columns = ["word", "idf", "in_query", "in_image", "contribution"]
    if words is None:
        return pd.DataFrame(columns=columns)
    counts = [np.bincount(names, minlength=words.size) for names in (query_words, image_words)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    products = words.vector(query_words)[both] * words.vector(image_words)[both]
    values = (both, words.idf[both], counts[0][both], counts[1][both], products.astype(float))
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    return table.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def nearest_patches(
    described: Ready,
    keypoints: Keypoints,
    descriptor: np.ndarray,
    k: int = 12,
    without: str | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The ``k`` images with the keypoint most similar to a descriptor [128], by exact search through all.

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
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "image_id": [images[rows[i]] for i in order],
            "keypoint": np.array(best_keypoints, int)[order],
            "distance": distances,
            **{name: corners[:, side] for side, name in enumerate(("x0", "y0", "x1", "y1"))},
        }
    )


def patches(picture: Image.Image, features: Features, rows: np.ndarray) -> np.ndarray:
    """The patches uint8 [n, 32, 32] of some keypoints, cut from the picture in which they were detected."""
    grey = cv2.cvtColor(pixels(picture, features.size), cv2.COLOR_RGB2GRAY)
    return cut(np.asarray(grey), features.points[rows])
