"""Match the keypoints of two images, list the words they share, and find the patches most similar to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from workbench.collections.named_picture import NamedPicture
from workbench.common.drawable import Drawable, draw
from workbench.common.progress import Progress, silent
from workbench.features.batches import pixels
from workbench.local.asmk import ASSIGNED, Kernel
from workbench.local.asmk_shares import keypoint_parts, shares
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import Matcher, nearest
from workbench.local.patches import EXTENT, cut_patches
from workbench.local.verification import Verification, verify, verify_all
from workbench.local.vocabulary import VisualWords

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COLUMNS = ["word", "idf", "in_query", "in_image", "contribution"]


@dataclass(frozen=True)
class Match(Drawable):
    """The keypoints of a query and of an image, their matches, and the words they share.

    ``table`` has a row for each match, the best first: query_keypoint and image_keypoint (rows of the two
    features), distance, ratio (of LightGlue: score), inlier, and for visual words word (-1 if the two
    keypoints have different words). ``words`` has a row for each shared word: word, idf, in_query and
    in_image (its counts), and contribution (to the score of ``asmk``, or of ``bow`` alone, without later
    steps), the largest first; it is empty without words. ``words_of`` are the words of all keypoints of the
    query and of the image, [n, m], -1 without words; m is 1 but for a query of ``asmk``.
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
    query: LocalFeatures,
    image: LocalFeatures,
    words: VisualWords | None = None,
    kind: str = "",
    kernel: Kernel | None = None,
    matcher: Matcher = nearest,
    progress: Progress = silent,
) -> Match:
    """Match two pictures' features and verify the matches by a transformation of ``kind``, as ``sv`` does.

    The ``words`` are those of a bag of words, or of ``asmk`` with its ``kernel``.
    """
    (verified,) = verify_all([lambda: verify(query, image, kind, matcher)], progress)
    scored = verified.scored
    judged = {"score": 1 - verified.ratios} if scored else {"ratio": verified.ratios}
    query_words, image_words = (
        words.nearest(features, count) if words else np.full((len(features), 1), -1)
        for features, count in ((query, 1 if kernel is None else ASSIGNED), (image, 1))
    )
    query_rows, image_rows = verified.pairs.T
    same = (query_words[query_rows] == image_words[image_rows]).any(1)
    table = pd.DataFrame(
        {
            "query_keypoint": query_rows,
            "image_keypoint": image_rows,
            "distance": verified.distances.astype(float),
            **{name: values.astype(float) for name, values in judged.items()},
            "inlier": verified.inside,
            **({"word": np.where(same, image_words[image_rows, 0], -1)} if words else {}),
        }
    ).sort_values("score" if scored else "distance", ascending=not scored, kind="stable", ignore_index=True)
    if words is not None and kernel is not None:
        shared = _shared_sums(query, image, query_words, image_words, words, kernel)
    else:
        shared = shared_words(query_words[:, 0], image_words[:, 0], words)
    return Match(query, image, verified, table, shared, (query_words, image_words))


def similarity(row: Mapping[Any, Any] | pd.Series) -> str:
    """How alike the two keypoints of a match are, by its row of the table: ``distance 0.61, ratio 0.72``."""
    judged = "ratio" if "ratio" in row else "score"
    return f"distance {row['distance']:.2f}, {judged} {row[judged]:.2f}"


def shared_words(query_words: np.ndarray, image_words: np.ndarray, words: VisualWords | None) -> pd.DataFrame:
    """The words that two pictures share, given the word of each of their keypoints."""
    if words is None:
        return pd.DataFrame(columns=_COLUMNS)
    counts = [np.bincount(names, minlength=words.size) for names in (query_words, image_words)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    products = words.vector(query_words)[both] * words.vector(image_words)[both]
    return _word_table(both, words, counts[0][both], counts[1][both], products.astype(float))


def _shared_sums(
    query: LocalFeatures,
    image: LocalFeatures,
    query_words: np.ndarray,
    image_words: np.ndarray,
    words: VisualWords,
    kernel: Kernel,
) -> pd.DataFrame:
    """The words that two pictures share, and what each adds to their score by ``asmk``."""
    query_parts, image_parts = (
        keypoint_parts(features.descriptors, names, words.centroids, kernel.binary)
        for features, names in ((query, query_words), (image, image_words))
    )
    both, values = shares(query_parts, image_parts, kernel).by_word()
    counts = [np.bincount(names[names >= 0], minlength=words.size) for names in (query_words, image_words)]
    return _word_table(both, words, counts[0][both], counts[1][both], values)


def _word_table(both: np.ndarray, words: VisualWords, *values: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(dict(zip(_COLUMNS, (both, words.idf[both], *values), strict=True)))
    return table.sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def patches(picture: Image.Image, features: LocalFeatures, rows: np.ndarray) -> np.ndarray:
    """The patches uint8 [n, 32, 32] of some keypoints, cut from the picture in which they were detected."""
    grey = cv2.cvtColor(pixels(picture, features.size), cv2.COLOR_RGB2GRAY)
    points = features.points[rows] * np.array([1, 1, features.extent / EXTENT, 1], np.float32)
    return cut_patches(np.asarray(grey), points)
