"""Spatial verification: match the keypoints of two images and fit a geometric model to the matches."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.features.device import single_threaded_operations
from workbench.local.features import LocalFeatures
from workbench.local.geometry import Geometry
from workbench.search.query_expansion import append_rest
from workbench.search.ranking import Ranking, sorted_ranking

MAX_RATIO = 0.85  # largest accepted ratio of the distances to the nearest and second nearest descriptor
MIN_INLIERS = 8  # inliers at different positions, below which a model is rejected as chance
MAX_AREA_CHANGE = 30.0  # largest accepted ratio of areas between the two views
EPIPOLAR_INLIERS = 16  # the same for a fundamental matrix, with which more mismatches agree by chance
_SPREAD = 0.02  # least extent of the inliers, as a fraction of the picture's longer side


@dataclass(frozen=True)
class Verification:
    """Matches between the keypoints of a query and an image, and the geometric model fitted to them.

    ``pairs`` [m, 2] are rows of both, ``distances`` [m] those of the descriptors, ``ratios`` [m] the distance
    to the nearest over that to the second nearest. ``inside`` [m] marks the matches that ``model`` [3, 3]
    (pixels of the query to pixels of the image; of a fundamental matrix x'ᵀ F x = 0) explains; ``inliers``
    counts them at different positions. If the model was rejected, ``inliers`` is 0 and ``why`` states the
    reason. ``kind`` is the model as written in ``sv``, "" for the homography.
    """

    pairs: np.ndarray = field(repr=False)
    distances: np.ndarray = field(repr=False)
    ratios: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    inliers: int
    model: np.ndarray | None = field(repr=False)
    why: str = ""
    kind: str = ""

    @property
    def geometry(self) -> Geometry:
        """The kind of the model, and its estimator."""
        return Geometry.parse(self.kind)


def match(
    query: np.ndarray, image: np.ndarray, ratio: float = MAX_RATIO
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match unit vectors [n, D] with others [k, D]: pairs [m, 2], distances and ratios [m].

    A pair is mutually nearest and passes the ratio test of Lowe (2004, section 7.1).
    """
    nothing = np.zeros((0, 2), int), np.zeros(0, np.float32), np.zeros(0, np.float32)
    if not len(query) or not len(image):
        return nothing
    cosines = (torch.from_numpy(query) @ torch.from_numpy(image).T).numpy()
    nearest_query = cosines.argmax(0)
    nearest_image = cosines.argmax(1)
    rows = np.flatnonzero(nearest_query[nearest_image] == np.arange(len(query)))
    best_cosines = cosines[rows, nearest_image[rows]]
    others = cosines[rows]
    others[np.arange(len(rows)), nearest_image[rows]] = -2
    nearest, next_nearest = (np.sqrt((2 - 2 * c).clip(min=0)) for c in (best_cosines, others.max(1)))
    ratios = nearest / np.maximum(next_nearest, 1e-9)
    kept = ratios <= ratio
    return np.stack([rows, nearest_image[rows]], 1)[kept], nearest[kept], ratios[kept]


def verify(
    query: LocalFeatures, image: LocalFeatures, ratio: float = MAX_RATIO, kind: str = ""
) -> Verification:
    """Match two pictures' keypoints and fit a geometric model to the matches.

    ``kind`` is the model and its estimator, as written in ``sv-affine-single:100``; by default a homography
    by OpenCV's USAC with MAGSAC++ scores. See ``verify_matches``.
    """
    return verify_matches(query, image, match(query.descriptors, image.descriptors, ratio), kind)


def verify_matches(
    query: LocalFeatures,
    image: LocalFeatures,
    matches: tuple[np.ndarray, np.ndarray, np.ndarray],
    kind: str = "",
) -> Verification:
    """Fit a geometric model to the pairs [m, 2], distances and ratios [m] of two pictures' keypoints.

    The model is rejected if it mirrors or folds the picture, if it changes its area by more than
    MAX_AREA_CHANGE, or if the inliers are few or lie on a line or a point (Philbin et al., CVPR 2007,
    section 4, verify affinities in this way); of a fundamental matrix only the inliers are checked. The same
    matches always give the same result, unless the estimator is ``parallel``.
    """
    geometry = Geometry.parse(kind)
    pairs, distances, ratios = matches
    query_keypoints, image_keypoints = query.points[pairs[:, 0]], image.points[pairs[:, 1]]
    none = np.zeros(len(pairs), bool)
    least = EPIPOLAR_INLIERS if geometry.model == "fundamental" else MIN_INLIERS

    def reject(why: str) -> Verification:
        return Verification(pairs, distances, ratios, none, 0, None, why, kind)

    if not len(query) or not len(image):
        return reject("no keypoints in " + ("the query" if not len(query) else "the image"))
    if len(pairs) < least:
        return reject("1 match is too few" if len(pairs) == 1 else f"{len(pairs)} matches are too few")
    model, inside = geometry.fit(query_keypoints, image_keypoints, geometry.near(image.size), ratios)
    if model is None:
        return reject(f"no {geometry.name} fits")
    sides = query_keypoints[inside, :2], image_keypoints[inside, :2]
    inliers = _distinct_positions(*sides)
    if inliers < least:
        return reject("1 inlier is too few" if inliers == 1 else f"{inliers} inliers are too few")
    if geometry.model == "fundamental":
        why = "" if _spread(sides, (query.size, image.size)) else "the inliers lie on a line"
    else:
        why = degenerate(model, *sides, query.size, image.size)
    return reject(why) if why else Verification(pairs, distances, ratios, inside, inliers, model, kind=kind)


def degenerate(
    model: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    size: tuple[int, int],
    other_size: tuple[int, int],
) -> str:
    """Return why a homography or an affinity cannot relate two views of an object; empty if it can.

    ``source`` and ``target`` [m, 2] are its inliers.
    """
    x, y = source.astype(np.float64).T
    weight = model[2, 0] * x + model[2, 1] * y + model[2, 2]
    if weight.min() * weight.max() <= 0:
        return "the picture is folded over"
    area = np.linalg.det(model) / weight**3  # determinant of the derivative
    if (area <= 0).any():
        return "the picture is mirrored"
    if np.median(area) > MAX_AREA_CHANGE or np.median(area) < 1 / MAX_AREA_CHANGE:
        return f"the picture changes its area {np.median(area):.2g} times"
    return "" if _spread((source, target), (size, other_size)) else "the inliers lie on a line"


def _spread(points: tuple[np.ndarray, np.ndarray], sizes: tuple[tuple[int, int], tuple[int, int]]) -> bool:
    """Whether the points [m, 2] of two pictures extend in two directions in both."""
    for side, size in zip(points, sizes, strict=True):
        extent = np.linalg.svd(side - side.mean(0), compute_uv=False)[-1] / np.sqrt(len(side))
        if extent < _SPREAD * max(size) / 2:
            return False
    return True


def rerank(
    query: LocalFeatures,
    ranking: Ranking,
    features: Callable[[int], LocalFeatures],
    first: int,
    progress: Progress = silent,
    kind: str = "",
) -> Ranking:
    """Verify the ``first`` results of a ranking by a model of ``kind``; see ``rank_by_inliers``."""
    rows = ranking.rows[:first]

    def count(row: int) -> int:
        torch.set_num_threads(1)
        return verify(query, features(row), kind=kind).inliers

    inliers = np.zeros(len(rows), np.float32)
    with single_threaded_operations() as threads, ThreadPoolExecutor(threads) as pool:
        try:
            for completed, inlier_count in enumerate(pool.map(count, rows.tolist())):
                progress("verifying", completed, len(rows))
                inliers[completed] = inlier_count
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # on cancellation: skip the remaining images
            raise
    return rank_by_inliers(ranking, inliers)


def rank_by_inliers(ranking: Ranking, inliers: np.ndarray) -> Ranking:
    """Rank the first n results of a ranking by their ``inliers`` [n]; those without any follow.

    A verified image scores its number of inliers plus its previous score, clipped below one, to break ties.
    The other images follow in their previous order; so do images without keypoints.
    """
    rows = ranking.rows[: len(inliers)]
    accepted = inliers > 0
    scores = inliers + ranking.scores[: len(inliers)].clip(0, 0.999)
    return append_rest(sorted_ranking(rows[accepted], scores[accepted].astype(np.float32)), ranking)


def verified_results(ranking: Ranking) -> Ranking:
    """Return the verified images of a ranking that ``rerank`` produced."""
    accepted = ranking.scores >= MIN_INLIERS
    return Ranking(ranking.rows[accepted], ranking.scores[accepted])


def _distinct_positions(source: np.ndarray, target: np.ndarray) -> int:
    """Count matches at different positions: several keypoints at one position count once."""
    return min(len(np.unique(np.round(points), axis=0)) for points in (source, target)) if len(source) else 0
