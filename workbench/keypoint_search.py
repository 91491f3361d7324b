"""Keypoints looked at: what of two images matches, which words they share, and what a patch is like."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from workbench.described import Keypoints, Ready
from workbench.features.batches import pixels
from workbench.local.features import Features
from workbench.local.patches import cut
from workbench.local.verification import Kind, Verified, verify
from workbench.local.words import Words
from workbench.progress import Progress, silent


@dataclass(frozen=True)
class Match:
    """The keypoints of a query and of an image, what matches, and the words they share.

    ``table`` has a row for each match, the best first: query_keypoint and image_keypoint (rows of both
    features), distance, ratio, inlier, and for a bag of words word (-1 where the two differ in theirs).
    ``words`` has a row for each shared word: word, idf, in_query and in_image (how often), and contribution
    (to the score of ``bow`` alone, without later steps), the largest first; it is empty without words.
    ``named`` are the words of all keypoints of the query and of the image, -1 without words.
    """

    query: Features
    image: Features
    verified: Verified
    table: pd.DataFrame = field(repr=False)
    words: pd.DataFrame = field(repr=False)
    named: tuple[np.ndarray, np.ndarray] = field(repr=False)

    @property
    def inliers(self) -> int:
        """Matches at different places that one homography explains; 0 where the image is not verified."""
        return self.verified.inliers


def match(query: Features, image: Features, words: Words | None = None, kind: Kind = "homography") -> Match:
    """Match and verify two pictures' features, as ``sv`` does by homographies."""
    found = verify(query, image, kind=kind)
    asked, shown = (words.named(one) if words else np.full(len(one), -1) for one in (query, image))
    here, there = found.pairs.T
    same = asked[here] == shown[there]
    table = pd.DataFrame(
        {
            "query_keypoint": here,
            "image_keypoint": there,
            "distance": found.distances.astype(float),
            "ratio": found.ratios.astype(float),
            "inlier": found.inside,
            **({"word": np.where(same, asked[here], -1)} if words else {}),
        }
    ).sort_values("distance", kind="stable", ignore_index=True)
    return Match(query, image, found, table, shared(asked, shown, words), (asked, shown))


def shared(asked: np.ndarray, shown: np.ndarray, words: Words | None) -> pd.DataFrame:
    """The words that two pictures have in common, by those of their keypoints."""
    columns = ["word", "idf", "in_query", "in_image", "contribution"]
    if words is None:
        return pd.DataFrame(columns=columns)
    counts = [np.bincount(names, minlength=words.size) for names in (asked, shown)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    products = words.vector(asked)[both] * words.vector(shown)[both]
    values = (both, words.idf[both], counts[0][both], counts[1][both], products.astype(float))
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    return table.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def nearest_patches(
    ready: Ready,
    keypoints: Keypoints,
    descriptor: np.ndarray,
    k: int = 12,
    without: str | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The images with a keypoint most like one, by its descriptor [128]: the best keypoint of each.

    Returns a DataFrame of rank, image_id, keypoint (its row), distance, and x0, y0, x1, y1 of its patch as
    fractions. ``without``: an image that is left out. Exact search through all keypoints.
    """
    images = ready.collection.images
    rows, best, at, boxes = [], list[float](), list[int](), list[np.ndarray]()
    for done, (row, features) in enumerate(keypoints.stored(len(images))):
        progress("looking through keypoints", done, len(images))
        if len(features) and images[row] != without:
            cosines = features.descriptors @ descriptor
            nearest = int(cosines.argmax())
            rows.append(row)
            best.append(float(cosines[nearest]))
            at.append(nearest)
            boxes.append(features.boxes[nearest])
    order = np.lexsort((np.array(rows, int), -np.array(best)))[:k]
    corners = np.array(boxes).reshape(-1, 4)[order]
    distances = np.sqrt((2 - 2 * np.array(best, float)[order]).clip(min=0))
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "image_id": [images[rows[i]] for i in order],
            "keypoint": np.array(at, int)[order],
            "distance": distances,
            **{name: corners[:, side] for side, name in enumerate(("x0", "y0", "x1", "y1"))},
        }
    )


def patches(picture: Image.Image, features: Features, rows: np.ndarray) -> np.ndarray:
    """The patches uint8 [n, 32, 32] of some keypoints, cut from the picture that they were found in."""
    grey = cv2.cvtColor(pixels(picture, features.size), cv2.COLOR_RGB2GRAY)
    return cut(np.asarray(grey), features.points[rows])
