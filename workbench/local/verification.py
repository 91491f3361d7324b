"""Spatial verification: match the keypoints of two images and fit a geometric model to the matches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from workbench.collections.video.stopping import stop_on
from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent
from workbench.features.device import single_threaded_operations
from workbench.local.features import LocalFeatures
from workbench.local.nearest_neighbours import Matcher, nearest
from workbench.search.query_expansion import append_rest
from workbench.search.ranking import Ranking, sorted_ranking

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

INLIER_DISTANCE = 0.01  # inlier threshold, as a fraction of the picture's longer side
MIN_INLIERS = 8  # inliers at different positions, below which a model is rejected as chance
MAX_AREA_CHANGE = 30.0  # largest accepted ratio of areas between the two views
Kind = Literal["homography", "affine"]
_NAMES: dict[Kind, str] = {"homography": "homography", "affine": "affinity"}
_SPREAD = 0.02  # least extent of the inliers, as a fraction of the picture's longer side
_ROUNDS = 2000  # of sampling, at most
_SURE = 0.999  # confidence at which sampling stops
_PACE = 0.1  # seconds between two checks for cancellation


@dataclass(frozen=True)
class Verification:
    """Matches between the keypoints of a query and an image, and the homography fitted to them.

    ``pairs``, ``distances``, ``ratios`` and ``scored`` are those of ``Matches``. ``inside`` [m] marks the
    matches that ``model`` [3, 3] (pixels of the query to pixels of the image) explains; ``inliers`` counts
    them at different positions. If the model was rejected, ``inliers`` is 0 and ``why`` states the reason.
    """

    pairs: np.ndarray = field(repr=False)
    distances: np.ndarray = field(repr=False)
    ratios: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    inliers: int
    model: np.ndarray | None = field(repr=False)
    why: str = ""
    scored: bool = False


def verify(
    query: LocalFeatures, image: LocalFeatures, kind: Kind = "homography", matcher: Matcher = nearest
) -> Verification:
    """Match two pictures' keypoints and fit a homography to the matches (OpenCV's USAC with MAGSAC++ scores).

    ``affine`` fits an affinity instead, without perspective. The model is rejected if it mirrors or folds the
    picture, if it changes its area by more than GROWTH, or if the inliers are few or lie on a line or a point
    (Philbin et al., CVPR 2007, section 4, verify affinities in this way). The same pair always gives the
    same result.
    """
    pairs, distances, ratios, scored = matcher(query, image)
    query_points, image_points = query.points[pairs[:, 0], :2], image.points[pairs[:, 1], :2]
    none = np.zeros(len(pairs), bool)

    def reject(why: str) -> Verification:
        return Verification(pairs, distances, ratios, none, 0, None, why, scored)

    if not len(query) or not len(image):
        return reject("no keypoints in " + ("the query" if not len(query) else "the image"))
    if len(pairs) < MIN_INLIERS:
        return reject("1 match is too few" if len(pairs) == 1 else f"{len(pairs)} matches are too few")
    model, inside = fit_model(query_points, image_points, INLIER_DISTANCE * max(image.size), ratios, kind)
    if model is None:
        return reject(f"no {_NAMES[kind]} fits")
    inliers = _distinct_positions(query_points[inside], image_points[inside])
    if inliers < MIN_INLIERS:
        return reject("1 inlier is too few" if inliers == 1 else f"{inliers} inliers are too few")
    why = degenerate(model, query_points[inside], image_points[inside], query.size, image.size)
    if why:
        return reject(why)
    return Verification(pairs, distances, ratios, inside, inliers, model, scored=scored)


def fit_model(
    source: np.ndarray, target: np.ndarray, near: float, ratios: np.ndarray, kind: Kind = "homography"
) -> tuple[np.ndarray | None, np.ndarray]:
    """Fit a model [3, 3] from points [m, 2] to others, and mark its inliers within ``near`` pixels, [m]."""
    order = np.argsort(ratios, kind="stable")  # best matches first, for progressive sampling
    settings: Any = cv2.UsacParams()
    settings.threshold, settings.confidence, settings.maxIterations = near, _SURE, _ROUNDS
    settings.sampler, settings.score = cv2.SAMPLING_PROSAC, cv2.SCORE_METHOD_MAGSAC
    settings.loMethod, settings.loIterations, settings.loSampleSize = cv2.LOCAL_OPTIM_SIGMA, 5, 14
    settings.randomGeneratorState, settings.isParallel = 0, False
    inside = np.zeros(len(source), bool)
    try:
        fit: Any = cv2.findHomography if kind == "homography" else cv2.estimateAffine2D
        model, mask = fit(source[order], target[order], settings)
    except cv2.error:
        return None, inside
    if model is None or not np.isfinite(model).all():
        return None, inside
    inside[order] = np.asarray(mask).ravel() > 0
    return np.vstack([model, [0, 0, 1]]) if kind == "affine" else np.asarray(model), inside


def degenerate(
    model: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    size: tuple[int, int],
    other_size: tuple[int, int],
) -> str:
    """Return why a homography cannot relate two views of an object, by its inliers [m, 2]; empty if valid."""
    x, y = source.astype(np.float64).T
    weight = model[2, 0] * x + model[2, 1] * y + model[2, 2]
    if weight.min() * weight.max() <= 0:
        return "the picture is folded over"
    area = np.linalg.det(model) / weight**3  # determinant of the derivative
    if (area <= 0).any():
        return "the picture is mirrored"
    if np.median(area) > MAX_AREA_CHANGE or np.median(area) < 1 / MAX_AREA_CHANGE:
        return f"the picture changes its area {np.median(area):.2g} times"
    for points, sides in ((source, size), (target, other_size)):
        spread = np.linalg.svd(points - points.mean(0), compute_uv=False)[-1] / np.sqrt(len(points))
        if spread < _SPREAD * max(sides) / 2:
            return "the inliers lie on a line"
    return ""


def rerank(
    query: LocalFeatures,
    ranking: Ranking,
    features: Callable[[int], LocalFeatures],
    first: int,
    progress: Progress = silent,
    matcher: Matcher = nearest,
) -> Ranking:
    """Verify the ``first`` results of a ranking; verified images come first, by their number of inliers.

    A verified image scores its number of inliers plus its previous score, clipped below one, to break ties.
    The other images follow in their previous order; so do images without keypoints.
    """
    rows = ranking.rows[:first]

    def work(row: int) -> Callable[[], Verification]:
        return lambda: verify(query, features(row), matcher=matcher)

    verified = verify_all([work(row) for row in rows.tolist()], progress)
    inliers = np.array([result.inliers for result in verified], np.float32)
    accepted = inliers > 0
    scores = inliers + ranking.scores[:first].clip(0, 0.999)
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
