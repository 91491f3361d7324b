"""The geometric models of spatial verification and their estimators, as written in ``sv-affine-single``."""

from __future__ import annotations

from workbench.config.errors import WorkbenchError

SINGLE = "single"  # the estimator that takes its hypotheses from single correspondences
SAMPLED = ("magsac", "default", "fast", "accurate", "prosac", "parallel")  # of OpenCV's USAC
# The models of ``sv``, the usual one first, each with its estimators, the usual one first.
ESTIMATORS: dict[str, tuple[str, ...]] = {
    "homography": SAMPLED,
    "affine": (*SAMPLED, SINGLE),
    "fundamental": SAMPLED,
    **dict.fromkeys(("similarity", "upright3", "upright4", "upright5"), (SINGLE,)),
}


def parse_geometry(text: str, part: str = "model") -> tuple[str, str]:
    """The model and the estimator of ``affine-single``; "" is the homography. Raises WorkbenchError."""
    model, dash, estimator = text.partition("-")
    model = model or "homography"
    if model not in ESTIMATORS:
        raise WorkbenchError(f"{part}: geometry {model!r} is not known; valid: {', '.join(ESTIMATORS)}")
    if dash and estimator not in ESTIMATORS[model]:
        valid = ", ".join(f"{model}-{name}" for name in ESTIMATORS[model])
        raise WorkbenchError(f"{part}: estimator {estimator!r} does not fit this model; valid: {valid}")
    return model, estimator or ESTIMATORS[model][0]


def written_geometry(model: str, estimator: str) -> str:
    """A model and its estimator as they are written, the usual ones left out."""
    if estimator != ESTIMATORS[model][0]:
        return f"{model}-{estimator}"
    return "" if model == "homography" else model
