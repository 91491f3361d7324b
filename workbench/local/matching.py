"""Match the keypoints of two images, list the words they share, and find the patches most similar to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.features.batches import pixels
from workbench.local.features import LocalFeatures
from workbench.local.patches import cut_patches
from workbench.local.verification import Verification, verify
from workbench.local.vocabulary import VisualWords

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Match(Drawable):
    """The keypoints of a query and of an image, their matches, and the words they share.

    ``table`` has a row for each match, the best first: query_keypoint and image_keypoint (rows of the two
    features), distance, ratio, inlier, and for a bag of words word (-1 if the two keypoints have different
    words). ``words`` has a row for each shared word: word, idf, in_query and in_image (its counts), and
    contribution (to the score of ``bow`` alone, without later steps), the largest first; it is empty without
    words. ``words_of`` are the words of all keypoints of the query and of the image, -1 without words.
    ``pictures`` are those of the query and of the image, of the collection of that name.
    """

    query: LocalFeatures
    image: LocalFeatures
    verified: Verification
    table: pd.DataFrame = field(repr=False)
    words: pd.DataFrame = field(repr=False)
    words_of: tuple[np.ndarray, np.ndarray] = field(repr=False)
    pictures: tuple[NamedPicture, NamedPicture] | None = field(default=None, repr=False, compare=False)
    collection: str = field(default="", repr=False, compare=False)

    def __repr__(self) -> str:
        counts = f"{len(self.query):,} and {len(self.image):,} keypoints"
        return f"Match({self.outcome}; {counts})"

    @property
    def inliers(self) -> int:
        """The number of matches at different places that one geometric model explains, 0 without one."""
        return self.verified.inliers

    @property
    def outcome(self) -> str:
        """The numbers of inliers and matches, or why there are no inliers."""
        if self.verified.model is None:
            return f"not verified: {self.verified.why}"
        inliers, matches = self.inliers, len(self.table)
        return f"{inliers:,} inlier{'s' * (inliers != 1)} of {matches:,} match{'es' * (matches != 1)}"

    def figure(self, kind: str = "matches") -> Figure:
        """Both pictures with their ``matches``, or with the size and direction of their ``keypoints``.

        Raises WorkbenchError for another kind.
        """
        return draw("match", self, kind=kind)


def match(
    query: LocalFeatures, image: LocalFeatures, words: VisualWords | None = None, kind: str = ""
) -> Match:
    """Match two pictures' features and verify the matches by a transformation of ``kind``, as ``sv`` does."""
    verified = verify(query, image, kind=kind)
    query_words, image_words = (
        words.assign(features) if words else np.full(len(features), -1) for features in (query, image)
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


def shared_words(query_words: np.ndarray, image_words: np.ndarray, words: VisualWords | None) -> pd.DataFrame:
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


def patches(picture: Image.Image, features: LocalFeatures, rows: np.ndarray) -> np.ndarray:
    """The patches uint8 [n, 32, 32] of some keypoints, cut from the picture in which they were detected."""
    grey = cv2.cvtColor(pixels(picture, features.size), cv2.COLOR_RGB2GRAY)
    return cut_patches(np.asarray(grey), features.points[rows])
