"""Spatial verification: which keypoints of two images match, and whether one view explains them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import torch

from workbench.features.hardware import one_thread_each
from workbench.local.features import Features
from workbench.progress import Progress, silent
from workbench.search.found import Found, ordered
from workbench.search.shortlist import behind

RATIO = 0.85  # of the distances to the nearest and the next nearest, above which a match is not trusted
NEAR = 0.01  # of the picture's longer side, within which a point must fall to be an inlier
FEWEST = 8  # inliers at different places, below which a model is taken for chance
GROWTH = 30.0  # times in area, that one view may be the larger
Kind = Literal["homography", "affine"]
_NAMES: dict[Kind, str] = {"homography": "homography", "affine": "affinity"}
_SPREAD = 0.02  # of the picture's longer side, that inliers must extend across at least
_ROUNDS = 2000  # of sampling, at most
_SURE = 0.999


@dataclass(frozen=True)
class Verified:
    """Matches of a query's keypoints with an image's, and what a homography makes of them.

    ``pairs`` [m, 2] are rows of both, ``distances`` [m] those of the descriptors, ``ratios`` [m] the distance
    to the nearest over that to the next. ``inside`` [m] are those that ``model`` [3, 3] (pixels of the query
    to pixels of the image) explains; ``inliers`` counts them at different places, 0 where the model was
    turned down, and then ``why`` says so.
    """

    pairs: np.ndarray = field(repr=False)
    distances: np.ndarray = field(repr=False)
    ratios: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    inliers: int
    model: np.ndarray | None = field(repr=False)
    why: str = ""


def matched(
    query: np.ndarray, image: np.ndarray, ratio: float = RATIO
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matches of unit vectors [n, D] with others [k, D]: pairs [m, 2], distances and ratios [m].

    The nearest of one another, where the next nearest is further by the ratio of Lowe (2004, section 7.1).
    """
    nothing = np.zeros((0, 2), int), np.zeros(0, np.float32), np.zeros(0, np.float32)
    if not len(query) or not len(image):
        return nothing
    cosines = (torch.from_numpy(query) @ torch.from_numpy(image).T).numpy()
    back = cosines.argmax(0)
    best = cosines.argmax(1)
    rows = np.flatnonzero(back[best] == np.arange(len(query)))
    first = cosines[rows, best[rows]]
    among = cosines[rows]
    among[np.arange(len(rows)), best[rows]] = -2
    nearest, next_nearest = (np.sqrt((2 - 2 * c).clip(min=0)) for c in (first, among.max(1)))
    ratios = nearest / np.maximum(next_nearest, 1e-9)
    kept = ratios <= ratio
    return np.stack([rows, best[rows]], 1)[kept], nearest[kept], ratios[kept]


def verify(query: Features, image: Features, ratio: float = RATIO, kind: Kind = "homography") -> Verified:
    """Match two pictures' keypoints and fit a homography to the matches (OpenCV's USAC with MAGSAC++ scores).

    ``affine`` fits an affinity instead, which sees no perspective. The model is turned down where it mirrors,
    folds the picture over, makes it GROWTH times larger or smaller, or where the inliers are few or lie on a
    line or a point (Philbin et al., CVPR 2007, section 4, verify so by affinities). The same pair always
    gives the same result.
    """
    pairs, distances, ratios = matched(query.descriptors, image.descriptors, ratio)
    here, there = query.points[pairs[:, 0], :2], image.points[pairs[:, 1], :2]
    none = np.zeros(len(pairs), bool)

    def no(why: str) -> Verified:
        return Verified(pairs, distances, ratios, none, 0, None, why)

    if not len(query) or not len(image):
        return no("no keypoints in " + ("the query" if not len(query) else "the image"))
    if len(pairs) < FEWEST:
        return no(f"{len(pairs)} matches are too few")
    model, inside = fitted(here, there, NEAR * max(image.size), ratios, kind)
    if model is None:
        return no(f"no {_NAMES[kind]} fits")
    inliers = _places(here[inside], there[inside])
    if inliers < FEWEST:
        return no(f"{inliers} inliers are too few")
    why = degenerate(model, here[inside], there[inside], query.size, image.size)
    return no(why) if why else Verified(pairs, distances, ratios, inside, inliers, model)


def fitted(
    here: np.ndarray, there: np.ndarray, near: float, ratios: np.ndarray, kind: Kind = "homography"
) -> tuple[np.ndarray | None, np.ndarray]:
    """A model [3, 3] from points [m, 2] to others, and which of them it takes within ``near`` pixels."""
    order = np.argsort(ratios, kind="stable")  # the best first, for progressive sampling
    settings: Any = cv2.UsacParams()
    settings.threshold, settings.confidence, settings.maxIterations = near, _SURE, _ROUNDS
    settings.sampler, settings.score = cv2.SAMPLING_PROSAC, cv2.SCORE_METHOD_MAGSAC
    settings.loMethod, settings.loIterations, settings.loSampleSize = cv2.LOCAL_OPTIM_SIGMA, 5, 14
    settings.randomGeneratorState, settings.isParallel = 0, False
    inside = np.zeros(len(here), bool)
    try:
        find: Any = cv2.findHomography if kind == "homography" else cv2.estimateAffine2D
        model, mask = find(here[order], there[order], settings)
    except cv2.error:
        return None, inside
    if model is None or not np.isfinite(model).all():
        return None, inside
    inside[order] = np.asarray(mask).ravel() > 0
    return np.vstack([model, [0, 0, 1]]) if kind == "affine" else np.asarray(model), inside


def degenerate(
    model: np.ndarray,
    here: np.ndarray,
    there: np.ndarray,
    size: tuple[int, int],
    other_size: tuple[int, int],
) -> str:
    """Why a homography cannot be one of two views of a thing, by its inliers [m, 2]; empty where it can."""
    x, y = here.astype(np.float64).T
    weight = model[2, 0] * x + model[2, 1] * y + model[2, 2]
    if weight.min() * weight.max() <= 0:
        return "the picture is folded over"
    area = np.linalg.det(model) / weight**3  # of the derivative's determinant
    if (area <= 0).any():
        return "the picture is mirrored"
    if np.median(area) > GROWTH or np.median(area) < 1 / GROWTH:
        return f"the picture changes its area {np.median(area):.2g} times"
    for points, sides in ((here, size), (there, other_size)):
        spread = np.linalg.svd(points - points.mean(0), compute_uv=False)[-1] / np.sqrt(len(points))
        if spread < _SPREAD * max(sides) / 2:
            return "the inliers lie on a line"
    return ""


def reranked(
    query: Features,
    found: Found,
    features: Callable[[int], Features],
    first: int,
    progress: Progress = silent,
) -> Found:
    """A ranking with its ``first`` results verified: those that are come first, by their inliers.

    A verified image scores the number of its inliers, and with as many as another what it scored before (cut
    to less than one). The others stay behind them as they were, so do images without keypoints.
    """
    rows = found.rows[:first]

    def count(row: int) -> int:
        torch.set_num_threads(1)
        return verify(query, features(row)).inliers

    inliers = np.zeros(len(rows), np.float32)
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        try:
            for done, kept in enumerate(pool.map(count, rows.tolist())):
                progress("verifying", done, len(rows))
                inliers[done] = kept
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not verify the rest
            raise
    sure = inliers > 0
    scores = inliers + found.scores[:first].clip(0, 0.999)
    return behind(ordered(rows[sure], scores[sure].astype(np.float32)), found)


def verified(found: Found) -> Found:
    """Of a ranking that ``reranked`` made, the images that were verified."""
    sure = found.scores >= FEWEST
    return Found(found.rows[sure], found.scores[sure])


def _places(here: np.ndarray, there: np.ndarray) -> int:
    """How many matches there are at different places: several keypoints of one place count once."""
    return min(len(np.unique(np.round(points), axis=0)) for points in (here, there)) if len(here) else 0
