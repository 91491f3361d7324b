"""Exact principal component analysis of few axes, as maps need it."""

from __future__ import annotations

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent

linalg = lazy_module("scipy.linalg")

_ROWS = 4096  # of a block: progress is reported several times a second


def principal(
    points: np.ndarray, dimensions: int = 2, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, D] on their first principal axes: float32 [n, dimensions], and shares of the variance.

    Each axis is directed towards its largest coordinate. Axes that do not exist, of fewer points or of points
    that are equal, have coordinates and shares of 0. The eigenvectors are those of the covariance [D, D], or
    of the inner products [n, n] where this matrix is the smaller one.
    """
    count, width = points.shape
    mean = points.mean(0, dtype=np.float64)
    taken = min(dimensions, count, width)
    plane, shares = np.zeros((count, dimensions)), np.zeros(dimensions)
    if count <= width:
        centred = points - mean
        products = centred @ centred.T
    else:
        products = np.zeros((width, width))
        for start in range(0, count, _ROWS):
            progress("finding principal axes", start, count)
            block = points[start : start + _ROWS] - mean
            products += block.T @ block
    size, total = len(products), float(np.trace(products))
    if total > 0:
        variances, axes = linalg.eigh(products, subset_by_index=(size - taken, size - 1))
        variances, axes = variances[::-1].clip(0), axes[:, ::-1]
        shares[:taken] = variances / total
        if count <= width:
            plane[:, :taken] = axes * np.sqrt(variances)
        else:
            for start in range(0, count, _ROWS):
                block = points[start : start + _ROWS] - mean
                plane[start : start + _ROWS, :taken] = block @ axes
    largest = plane[np.abs(plane).argmax(0), np.arange(dimensions)]
    return np.asarray(plane * np.where(largest < 0, -1, 1), np.float32), shares
