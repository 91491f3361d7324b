"""Affine models from single correspondences: the size and direction of one pair of keypoints give a model.

Philbin, Chum, Isard, Sivic and Zisserman (CVPR 2007, section 3) generate a hypothesis from each match, score
all of them, and improve the best ones by local optimisation (Chum, Matas and Kittler, DAGM 2003). There are
as many hypotheses as matches, so nothing is drawn at random.
"""

from __future__ import annotations

import numpy as np

# The free parameters of x' = [row 1] (x, y, 1), y' = [row 2] (x, y, 1). "Upright" models of 3, 4 and 5
# degrees of freedom keep vertical lines vertical, and take no direction of keypoints.
_PARAMETERS = {
    "upright3": ("+a 0 +x", "0 +a +y"),
    "upright4": ("+a 0 +x", "0 +d +y"),
    "upright5": ("+a 0 +x", "+c +d +y"),
    "similarity": ("+a -b +x", "+b +a +y"),
    "affine": ("+a +b +x", "+c +d +y"),
}
_WIDE = 3.0  # thresholds within which a hypothesis is scored: sizes and directions are coarse
_BEST = 10  # hypotheses that are optimised
_NARROWING = (3.0, 2.0, 1.5, 1.0, 1.0)  # thresholds of the rounds of local optimisation
_BLOCK = 2**20  # residuals computed at a time


def hypotheses(source: np.ndarray, target: np.ndarray, upright: bool = False) -> np.ndarray:
    """The similarities [m, 2, 3] that map each keypoint [m, 4] of a picture to its match in another.

    A keypoint is x, y, size, angle (degrees, clockwise). ``upright``: without rotation.
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    scale = target[:, 2] / np.maximum(source[:, 2], 1e-9)
    turn = np.zeros(len(source)) if upright else np.deg2rad(target[:, 3] - source[:, 3])
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    shift = target[:, :2] - np.einsum("mij,mj->mi", linear, source[:, :2])
    return np.concatenate([linear, shift[:, :, None]], 2)


def support(models: np.ndarray, source: np.ndarray, target: np.ndarray, near: float) -> np.ndarray:
    """The scores [h] of models [h, 2, 3]: sums of 1 - r²/near² over points [m, 2] of residual r < near."""
    homogeneous = np.column_stack([source, np.ones(len(source))]).astype(np.float32)
    target, models = target.astype(np.float32), models.astype(np.float32)
    scores = np.empty(len(models))
    size = max(1, _BLOCK // max(1, len(source)))
    for start in range(0, len(models), size):
        block = models[start : start + size]
        squares = sum((block[:, row] @ homogeneous.T - target[:, row]) ** 2 for row in (0, 1))
        scores[start : start + size] = np.maximum(0, 1 - squares / np.float32(near**2)).sum(1)
    return scores


def least_squares(model: str, source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The affine maps [h, 2, 3] of a restricted ``model`` that are nearest to points [m, 2] and their images.

    Each has its own ``weights`` [h, m]; where they do not determine a map, the shortest of them is returned.
    """
    centre, extent = source.mean(0), max(1e-9, float(np.abs(source - source.mean(0)).max()))
    basis = _basis(model)
    # Residuals are linear in the parameters: design [2, m, parameters], for normalised coordinates.
    local = np.column_stack([(source - centre) / extent, np.ones(len(source))])
    design = np.einsum("mc,rcp->rmp", local, basis)
    normal = np.einsum("hm,mpq->hpq", weights, np.einsum("rmp,rmq->mpq", design, design))
    right = np.einsum("hm,mp->hp", weights, np.einsum("rmp,mr->mp", design, target))
    values = np.einsum("hpq,hq->hp", np.linalg.pinv(normal, hermitian=True), right)
    maps = np.einsum("rcp,hp->hrc", basis, values)
    maps[:, :, :2] /= extent
    maps[:, :, 2] -= maps[:, :, :2] @ centre
    return np.asarray(maps)


def fit_from_single_correspondences(
    source: np.ndarray, target: np.ndarray, near: float, model: str
) -> tuple[np.ndarray | None, np.ndarray]:
    """Fit an affine ``model`` [3, 3] to matched keypoints [m, 4]; mark those [m] within ``near`` pixels.

    None if fewer matches agree than determine the model.
    """
    none = np.zeros(len(source), bool)
    least = -(-_basis(model).shape[2] // 2)
    if len(source) < least:
        return None, none
    points, images = source[:, :2].astype(np.float64), target[:, :2].astype(np.float64)
    candidates = hypotheses(source, target, upright=model.startswith("upright"))
    scores = support(candidates, points, images, _WIDE * near)
    models = candidates[np.argsort(-scores, kind="stable")[:_BEST]]
    for factor in _NARROWING:
        inside = residuals(models, points, images) <= factor * near
        models = least_squares(model, points, images, inside.astype(np.float64))
    best = models[support(models, points, images, near).argmax()]
    inside = residuals(best[None], points, images)[0] <= near
    return (np.vstack([best, [0, 0, 1]]), inside) if inside.sum() >= least else (None, none)


def residuals(models: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The distances [h, m] of the images of points [m, 2] by models [h, 2, 3] from their matches."""
    mapped = np.einsum("hrc,mc->hmr", models[:, :, :2], source) + models[:, None, :, 2]
    return np.asarray(np.linalg.norm(mapped - target, axis=2))


def _basis(model: str) -> np.ndarray:
    """What each free parameter adds to the entries of the map, [2, 3, parameters]."""
    rows = [row.split() for row in _PARAMETERS[model]]
    names = sorted({entry[1] for row in rows for entry in row if entry != "0"})
    return np.array(
        [[[_sign(entry) * (entry[1:] == name) for name in names] for entry in row] for row in rows]
    )


def _sign(entry: str) -> int:
    return -1 if entry.startswith("-") else 1
