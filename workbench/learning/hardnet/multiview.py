"""Patches from other photos of the same object: by outlines in the ground truth, or by verified matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import cv2
import numpy as np

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.learning.hardnet.correspondence import match_keypoints
from workbench.learning.hardnet.patch_pairs import MorePatches, read_grey
from workbench.local.features import LocalFeatures
from workbench.local.keypoints import detect, sift
from workbench.local.patches import cut_patches
from workbench.local.verification import verify

MOST = 3  # partners used of each photo, drawn by the seed


def find_partners(collection: Collection, photos: Sequence[str]) -> dict[str, dict[str, str]]:
    """For each photo the others that show the same object, with the id of the query that says so, or ``""``.

    If the ground truth has outlines, those define the pairs (and exact homographies); otherwise equal labels
    do, and the pairs have to be verified.
    """
    members: dict[str, list[tuple[str, str]]] = {}
    for query, image in collection.quadrilaterals:
        if collection.relevance.get(query, {}).get(image) != "junk":
            members.setdefault(query, []).append((image, query))
    if not members:
        for image, label in collection.labels.items():
            members.setdefault(label, []).append((image, ""))
    partners: dict[str, dict[str, str]] = {photo: {} for photo in photos}
    for group in members.values():
        for (first, query), (second, _) in combinations(group, 2):
            if first in partners and second in partners:
                partners[first][second] = partners[second][first] = query
    return partners


def group_partners(photos: Sequence[str], partners: dict[str, dict[str, str]]) -> np.ndarray:
    """The group number [n] of each photo: partners, directly or through others, are in one group."""
    number = {photo: row for row, photo in enumerate(photos)}
    group = np.arange(len(photos))
    for photo, others in partners.items():
        for other in others:
            low, high = sorted((group[number[photo]], group[number[other]]))
            group[group == high] = low
    return group


def patches_in_partners(
    collection: Collection, photo: str, partners: dict[str, str], side: int, rng: np.random.Generator
) -> MorePatches:
    """A function that finds the patches of a photo's keypoints in its partners (see ``find_places``)."""
    names = sorted(partners)
    drawn = rng.permutation(len(names))[:MOST]

    def more_patches(grey: np.ndarray, points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in (names[row] for row in sorted(drawn)):
            other = read_grey(collection.path(name), side)
            query = partners[name]
            if query:
                outlines = [
                    _outline(collection, query, image, pixels)
                    for image, pixels in ((photo, grey), (name, other))
                ]
                other_points = detect(other)
                pairs = _match_inside(points, other_points, *outlines)
            else:
                pairs, other_points = _match_verified(grey, other)
            yield pairs[:, 0], cut_patches(other, other_points[pairs[:, 1]])

    return more_patches


def _outline(collection: Collection, query: str, image: str, pixels: np.ndarray) -> np.ndarray:
    """The outline [4, 2] of a query's object in an image, in the coordinates of the resized ``pixels``."""
    header = images.header(collection.path(image))
    scale = np.array(pixels.shape[::-1]) / (header.width, header.height)
    return np.asarray(np.array(collection.quadrilaterals[query, image]) * scale, np.float32)


def _match_inside(
    points: np.ndarray, others: np.ndarray, outline: np.ndarray, other_outline: np.ndarray
) -> np.ndarray:
    """Pairs int [m, 2] of keypoints inside an outline with others, by the homography of the two outlines."""
    inside = [cv2.pointPolygonTest(outline, point, False) >= 0 for point in points[:, :2].tolist()]
    rows = np.flatnonzero(inside)
    matrix = np.asarray(cv2.getPerspectiveTransform(outline, other_outline), float)
    pairs = match_keypoints(points[rows], others, matrix)
    return np.stack([rows[pairs[:, 0]], pairs[:, 1]], 1)


def _match_verified(grey: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs int [m, 2] of RootSIFT matches that are inliers of a homography, and the other keypoints."""
    first, second = (
        LocalFeatures(*sift(pixels), (pixels.shape[1], pixels.shape[0])) for pixels in (grey, other)
    )
    verified = verify(first, second)
    return verified.pairs[verified.inside], second.points
