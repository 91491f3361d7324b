"""Pairs of similar perceptual hashes, by exhaustive comparison of their bits."""

from __future__ import annotations

import numpy as np

from workbench.common.lazy import lazy_module
from workbench.common.progress import Progress, silent

faiss = lazy_module("faiss")

_TOGETHER = 1024  # hashes that are compared between two reports


def near_hashes(
    queries: np.ndarray, hashes: np.ndarray, most: int, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of hashes uint8 [n, B/8] and [m, B/8] that differ in at most ``most`` bits.

    Returns the rows of both and the numbers of differing bits, int64 [pairs] each, by rows of ``queries``.
    """
    index = faiss.IndexBinaryFlat(8 * hashes.shape[1])
    index.add(np.ascontiguousarray(hashes))
    rows, others, distances = [], [], []
    for start in range(0, len(queries), _TOGETHER):
        progress("comparing hashes", start, len(queries))
        limits, bits, near = index.range_search(
            np.ascontiguousarray(queries[start : start + _TOGETHER]), most + 1
        )
        rows.append(start + np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64))))
        others.append(near.astype(np.int64))
        distances.append(bits.astype(np.int64))
    if not rows:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    return np.concatenate(rows), np.concatenate(others), np.concatenate(distances)
