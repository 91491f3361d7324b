"""Other photos of what a photo shows, and which of its keypoints are found again there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import cv2
import numpy as np

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.learning.hardnet.patch_pairs import Further, found_again, grey_photo
from workbench.local.features import Features
from workbench.local.keypoints import detect, sift
from workbench.local.patches import cut
from workbench.local.verification import verify

MOST = 3  # other photos of each, drawn by the seed


def partners(collection: Collection, photos: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each photo the others that show the same, each with what tells: a query's id, or ``""``.

    By the ground truth's outlines, which give the homography exactly, or else by labels: those pairs have to
    be verified.
    """
    shown: dict[str, list[tuple[str, str]]] = {}
    for query, image in collection.quadrilaterals:
        if collection.relevance.get(query, {}).get(image) != "junk":
            shown.setdefault(query, []).append((image, query))
    if not shown:
        for image, label in collection.labels.items():
            shown.setdefault(label, []).append((image, ""))
    found: dict[str, dict[str, str]] = {photo: {} for photo in photos}
    for members in shown.values():
        for (one, by), (other, _) in combinations(members, 2):
            if one in found and other in found:
                found[one][other] = found[other][one] = by
    return found


def groups(photos: Sequence[str], partners: dict[str, dict[str, str]]) -> np.ndarray:
    """The number of the group [n] of each photo: those that show the same, directly or through others."""
    number = {photo: row for row, photo in enumerate(photos)}
    group = np.arange(len(photos))
    for photo, others in partners.items():
        for other in others:
            low, high = sorted((group[number[photo]], group[number[other]]))
            group[group == high] = low
    return group


def further(
    collection: Collection, photo: str, partners: dict[str, str], side: int, rng: np.random.Generator
) -> Further:
    """What adds to a photo's places the patches that are seen of them in others (see ``places``)."""
    names = sorted(partners)
    drawn = rng.permutation(len(names))[:MOST]

    def found(grey: np.ndarray, points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in (names[row] for row in sorted(drawn)):
            other = grey_photo(collection.path(name), side)
            by = partners[name]
            if by:
                corners = [
                    _corners(collection, by, image, seen) for image, seen in ((photo, grey), (name, other))
                ]
                pairs, others = _known(points, detect(other), *corners)
            else:
                pairs, others = _verified(grey, other)
            yield pairs[:, 0], cut(other, others[pairs[:, 1]])

    return found


def _corners(collection: Collection, query: str, image: str, seen: np.ndarray) -> np.ndarray:
    """The outline [4, 2] of what a query asks for, in pixels of an image as it is ``seen``."""
    header = images.header(collection.path(image))
    scale = np.array(seen.shape[::-1]) / (header.width, header.height)
    return np.asarray(np.array(collection.quadrilaterals[query, image]) * scale, np.float32)


def _known(
    points: np.ndarray, others: np.ndarray, here: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints found again by the homography of two outlines, of those inside the first."""
    inside = [cv2.pointPolygonTest(here, point, False) >= 0 for point in points[:, :2].tolist()]
    rows = np.flatnonzero(inside)
    pairs = found_again(points[rows], others, np.asarray(cv2.getPerspectiveTransform(here, there), float))
    return np.stack([rows[pairs[:, 0]], pairs[:, 1]], 1), others


def _verified(grey: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints matched by RootSIFT that one homography explains: the inliers of spatial verification."""
    here, there = (Features(*sift(one), (one.shape[1], one.shape[0])) for one in (grey, other))
    found = verify(here, there)
    return found.pairs[found.inside], there.points
