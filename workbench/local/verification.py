"""Spatial verification: match the keypoints of two images and fit a geometric model to the matches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.collections.video.stopping import stop_on
from workbench.common.progress import Progress, silent
from workbench.features.device import single_threaded_operations
from workbench.local.features import LocalFeatures
from workbench.local.geometry import Geometry
from workbench.local.nearest_neighbours import Matcher, Matches, nearest
from workbench.search.query_expansion import append_rest
from workbench.search.ranking import Ranking, sorted_ranking

MIN_INLIERS = 8  # inliers at different positions, below which a model is rejected as chance
MAX_AREA_CHANGE = 30.0  # largest accepted ratio of areas between the two views
EPIPOLAR_INLIERS = 16  # the same for a fundamental matrix, with which more mismatches agree by chance
_SPREAD = 0.02  # least extent of the inliers, as a fraction of the picture's longer side
_PACE = 0.1  # seconds between two checks for cancellation


@dataclass(frozen=True)
class Verification:
    """Matches between the keypoints of a query and an image, and the geometric model fitted to them.

    ``pairs``, ``distances``, ``ratios`` and ``scored`` are those of ``Matches``. ``inside`` [m] marks the
    matches that ``model`` [3, 3] (pixels of the query to pixels of the image; of a fundamental matrix
    x'ᵀ F x = 0) explains; ``inliers`` counts them at different positions. If the model was rejected,
    ``inliers`` is 0 and ``why`` states the reason. ``kind`` is the model as written in ``sv``, "" for the
    homography.
    """

    pairs: np.ndarray = field(repr=False)
    distances: np.ndarray = field(repr=False)
    ratios: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    inliers: int
    model: np.ndarray | None = field(repr=False)
    why: str = ""
    scored: bool = False
    kind: str = ""

    @property
    def geometry(self) -> Geometry:
        """The kind of the model, and its estimator."""
        return Geometry.parse(self.kind)


def verify(
    query: LocalFeatures, image: LocalFeatures, kind: str = "", matcher: Matcher = nearest
) -> Verification:
    """Match two pictures' keypoints and fit a geometric model to the matches.

    ``kind`` is the model and its estimator, as written in ``sv-affine-single:100``; by default a homography
    by OpenCV's USAC with MAGSAC++ scores. See ``verify_matches``.
    """
    return verify_matches(query, image, matcher(query, image), kind)


def verify_matches(
    query: LocalFeatures, image: LocalFeatures, matches: Matches, kind: str = ""
) -> Verification:
    """Fit a geometric model to the matches of two pictures' keypoints.

    The model is rejected if it mirrors or folds the picture, if it changes its area by more than
    MAX_AREA_CHANGE, or if the inliers are few or lie on a line or a point (Philbin et al., CVPR 2007,
    section 4, verify affinities in this way); of a fundamental matrix only the inliers are checked. The same
    matches always give the same result, unless the estimator is ``parallel``.
    """
    geometry = Geometry.parse(kind)
    pairs, distances, ratios, scored = matches
    query_keypoints, image_keypoints = query.points[pairs[:, 0]], image.points[pairs[:, 1]]
    none = np.zeros(len(pairs), bool)
    least = EPIPOLAR_INLIERS if geometry.model == "fundamental" else MIN_INLIERS

    def reject(why: str) -> Verification:
        return Verification(pairs, distances, ratios, none, 0, None, why, scored, kind)

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
    if why:
        return reject(why)
    return Verification(pairs, distances, ratios, inside, inliers, model, "", scored, kind)


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
    matcher: Matcher = nearest,
    kind: str = "",
) -> Ranking:
    """Verify the ``first`` results of a ranking by a model of ``kind``; see ``rank_by_inliers``."""
    rows = ranking.rows[:first]

    def work(row: int) -> Callable[[], Verification]:
        return lambda: verify(query, features(row), kind, matcher)

    verified = verify_all([work(row) for row in rows.tolist()], progress)
    return rank_by_inliers(ranking, np.array([result.inliers for result in verified], np.float32))


def rank_by_inliers(ranking: Ranking, inliers: np.ndarray) -> Ranking:
    """Rank the first n results of a ranking by their ``inliers`` [n]; those without any follow.

    A verified image scores its number of inliers plus its previous score, clipped below one, to break ties.
    The other images follow in their previous order; so do images without keypoints.
    """
    rows = ranking.rows[: len(inliers)]
    accepted = inliers > 0
    scores = inliers + ranking.scores[: len(inliers)].clip(0, 0.999)
    return append_rest(sorted_ranking(rows[accepted], scores[accepted].astype(np.float32)), ranking)


def verify_all(
    pairs: Sequence[Callable[[], Verification]], progress: Progress = silent
) -> Iterator[Verification]:
    """Verify pairs of pictures, in several threads; their results in order.

    If ``progress`` raises, a network that matches ends within a layer, and the remaining pairs are skipped.
    """
    stop = threading.Event()

    def start() -> None:
        torch.set_num_threads(1)
        stop_on(stop)

    with single_threaded_operations() as threads, ThreadPoolExecutor(threads, initializer=start) as pool:
        waiting = [pool.submit(pair) for pair in pairs]
        try:
            for completed, result in enumerate(waiting):
                progress("verifying", completed, len(waiting))
                while not wait([result], _PACE).done:
                    progress("verifying", completed, len(waiting))
                yield result.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def verified_results(ranking: Ranking) -> Ranking:
    """Return the verified images of a ranking that ``rerank`` produced."""
    accepted = ranking.scores >= MIN_INLIERS
    return Ranking(ranking.rows[accepted], ranking.scores[accepted])


def _distinct_positions(source: np.ndarray, target: np.ndarray) -> int:
    """Count matches at different positions: several keypoints at one position count once."""
    return min(len(np.unique(np.round(points), axis=0)) for points in (source, target)) if len(source) else 0
