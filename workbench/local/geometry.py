"""Geometric models between matched points, and the estimators that fit them among mismatches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.config.geometries import ESTIMATORS, SINGLE, parse_geometry
from workbench.local.single_correspondence import fit_from_single_correspondences

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazy_module("cv2")

NAMES = {
    "homography": "homography",
    "affine": "affinity",
    "fundamental": "fundamental matrix",
    "similarity": "similarity",
    "upright3": "translation and scale",
    "upright4": "translation and two scales",
    "upright5": "translation, two scales and shear",
}
# Inlier threshold, as a fraction of the longer side. An epipolar line is met by chance much more often than a
# point, so it is drawn thinner: 1.5 pixels of 512.
NEAR = {"fundamental": 0.003}
INLIER_DISTANCE = 0.01  # of the other models
_BY = {"magsac": "MAGSAC++", SINGLE: "single correspondences"}
_ROUNDS = 2000  # of sampling, at most
_SURE = 0.999  # confidence at which sampling stops


class Geometry(NamedTuple):
    """A geometric model and its estimator, written as in ``sv-affine-single:100``; "" is the homography."""

    model: str
    estimator: str

    @classmethod
    def parse(cls, text: str) -> Geometry:
        """Read ``affine`` or ``affine-single``. Raises WorkbenchError for an unknown one."""
        return cls(*parse_geometry(text))

    @property
    def name(self) -> str:
        """The model in words."""
        return NAMES[self.model]

    @property
    def title(self) -> str:
        """The model in words, with its estimator unless it is the usual one."""
        if self.estimator == ESTIMATORS[self.model][0]:
            return self.name
        return f"{self.name} by {_BY.get(self.estimator, f'USAC_{self.estimator.upper()}')}"

    def near(self, size: tuple[int, int]) -> float:
        """The inlier threshold in pixels of a picture of that size."""
        return NEAR.get(self.model, INLIER_DISTANCE) * max(size)

    def fit(
        self, source: np.ndarray, target: np.ndarray, near: float, ratios: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray]:
        """Fit the model [3, 3] to matched keypoints [m, 4] of two pictures; mark its inliers [m].

        ``ratios`` [m] order the matches for progressive sampling. The model maps pixels of the first picture
        to the second; a fundamental matrix F fulfils x'ᵀ F x = 0. None where no model was found.
        """
        if self.estimator == SINGLE:
            return fit_from_single_correspondences(source, target, near, self.model)
        return _sampled(self, source[:, :2], target[:, :2], near, ratios)


def _sampled(
    geometry: Geometry, source: np.ndarray, target: np.ndarray, near: float, ratios: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Fit a model by random samples, with OpenCV's USAC."""
    order = np.argsort(ratios, kind="stable")  # best matches first, for progressive sampling
    inside = np.zeros(len(source), bool)
    try:
        model, mask = _FITS[geometry.model](source[order], target[order], geometry.estimator, near)
    except cv2.error:
        return None, inside
    # For the fundamental matrix there may be three solutions below one another; the first counts.
    if model is None or not np.isfinite(model).all():
        return None, inside
    inside[order] = np.asarray(mask).ravel() > 0
    model = np.vstack([model, [0, 0, 1]]) if geometry.model == "affine" else np.asarray(model)[:3]
    return model, inside


def _homography(source: np.ndarray, target: np.ndarray, estimator: str, near: float) -> Any:
    if estimator == "magsac":
        return cv2.findHomography(source, target, _magsac(near))
    method = _preset(estimator)
    return cv2.findHomography(source, target, method, near, maxIters=_ROUNDS, confidence=_SURE)


def _affine(source: np.ndarray, target: np.ndarray, estimator: str, near: float) -> Any:
    fit: Any = cv2.estimateAffine2D
    if estimator == "magsac":
        return fit(source, target, _magsac(near))
    options = {"ransacReprojThreshold": near, "maxIters": _ROUNDS, "confidence": _SURE}
    return fit(source, target, method=_preset(estimator), **options)


def _fundamental(source: np.ndarray, target: np.ndarray, estimator: str, near: float) -> Any:
    fit: Any = cv2.findFundamentalMat
    if estimator == "magsac":
        return fit(source, target, _magsac(near))
    return fit(source, target, _preset(estimator), near, _SURE, _ROUNDS)


_FITS = {"homography": _homography, "affine": _affine, "fundamental": _fundamental}


def _preset(estimator: str) -> int:
    """OpenCV's number of an estimator, such as ``USAC_FAST``."""
    return int(getattr(cv2, f"USAC_{estimator.upper()}"))


def _magsac(near: float) -> Any:
    """MAGSAC++ scores (Barath et al., CVPR 2020) of samples drawn by PROSAC (Chum and Matas, CVPR 2005)."""
    settings: Any = cv2.UsacParams()
    settings.threshold, settings.confidence, settings.maxIterations = near, _SURE, _ROUNDS
    settings.sampler, settings.score = cv2.SAMPLING_PROSAC, cv2.SCORE_METHOD_MAGSAC
    settings.loMethod, settings.loIterations, settings.loSampleSize = cv2.LOCAL_OPTIM_SIGMA, 5, 14
    settings.randomGeneratorState, settings.isParallel = 0, False
    return settings
