"""Contours distorted as hands draw: thinned, with strokes left out, broken and shifted.

The size of each distortion grows with ``strength``: 0 only thins the lines, 1 is a hasty drawing. Training on
edge pictures and the benchmark of sketches use the same distortions. (Deforming photographs' contours to
stand for drawings follows Riemenschneider et al., BMVC 2011, and Bui et al., CVIU 2017, in idea.)
"""

from __future__ import annotations

import cv2
import numpy as np

from workbench.common.lazy import lazy_module

morphology = lazy_module("skimage.morphology")
ndimage = lazy_module("scipy.ndimage")

LEFT_OUT = 0.35  # most strokes that are left out, as a share of their number
GAPS = 1.5  # gaps for each 10 % of the longest side of line, at strength 1
GAP = 0.012  # radius of a gap, as a share of the longest side, as are all lengths below
WOBBLE, SMOOTHNESS = 0.025, 0.07  # standard deviations: of the displacement, of its smoothing
TURN, ZOOM, MOVE = 8.0, 0.15, 0.05  # standard deviations: degrees, logarithm of the size, share


def distort(lines: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Distort contours, bool [H, W]: lines one pixel wide, in a picture of the same size."""
    thin = morphology.skeletonize(lines)
    if not strength or not thin.any():
        return thin
    thin = break_lines(leave_out(thin, strength * LEFT_OUT, rng), strength, rng)
    return shift(thin, strength, rng)


def leave_out(thin: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Leave out a share of the strokes, short ones more often. A stroke is a line between two junctions."""
    neighbours = cv2.filter2D(thin.astype(np.uint8), -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    junctions = thin & (neighbours > 3)
    strokes, count = ndimage.label(thin & ~junctions, np.ones((3, 3)))
    if not count:
        return thin
    lengths = np.bincount(strokes.ravel(), minlength=count + 1)[1:]
    # The probability falls with the length, and its mean is the share.
    weight = 1 / np.sqrt(lengths)
    dropped = rng.random(count) < share * weight / weight.mean()
    return thin & ~np.concatenate([[False], dropped])[strokes]


def break_lines(thin: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Make gaps at random places of the lines."""
    rows, columns = np.nonzero(thin)
    longest = max(thin.shape)
    count = rng.poisson(strength * GAPS * len(rows) / (0.1 * longest))
    kept = thin.astype(np.uint8)
    for place in rng.integers(0, max(len(rows), 1), count if len(rows) else 0):
        centre = int(columns[place]), int(rows[place])
        cv2.circle(kept, centre, max(1, round(GAP * longest * rng.uniform(0.5, 1.5))), 0, -1)
    return kept.astype(bool)


def shift(thin: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Turn, zoom and move the whole, and displace it by a smooth random field, as an unsteady hand does."""
    height, width = thin.shape
    longest = max(thin.shape)
    turn, zoom, dx, dy = rng.normal(0, 1, 4) * strength
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), TURN * turn, float(np.exp(ZOOM * zoom)))
    matrix[:, 2] += np.array([dx, dy]) * MOVE * longest
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    inverse = cv2.invertAffineTransform(matrix)
    field = np.stack(
        [ndimage.gaussian_filter(rng.normal(0, 1, thin.shape), SMOOTHNESS * longest) for _ in range(2)]
    )
    field *= WOBBLE * strength * longest / max(float(field.std()), 1e-9)
    source_x = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] + field[0]
    source_y = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] + field[1]
    thick = cv2.dilate(thin.astype(np.uint8), np.ones((3, 3), np.uint8))  # else lines fall apart
    moved = cv2.remap(255 * thick, source_x.astype(np.float32), source_y.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(morphology.skeletonize(moved > 127))
