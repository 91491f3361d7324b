"""Exact nearest neighbours of a database among itself: what graphs, maps and expansions are made of."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from workbench.progress import Progress, silent

_TOGETHER = 2**24  # scores held at a time, 64 MiB: a look at whether to stop some times a second


def nearest(vectors: np.ndarray, k: int, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of unit vectors [N, D], each itself first: rows int32 and cosines float32, both [N, k].

    ``k`` above N gives all N. Cosines never rise along a row, and equal ones keep the database's order.
    Exact, and holds no more than the result and a block of scores. (No slower than ``faiss.knn``, which
    does not put a vector before its duplicates.)
    """
    k = min(k, len(vectors))
    with warnings.catch_warnings():  # that a memory map is not to be written to, and it is not
        warnings.simplefilter("ignore")
        database = torch.from_numpy(vectors)
    rows = np.empty((len(vectors), k), np.int32)
    cosines = np.empty((len(vectors), k), np.float32)
    together = max(1, _TOGETHER // max(1, len(vectors)))
    for start in range(0, len(vectors), together):
        progress("finding neighbours", start, len(vectors))
        scores = database[start : start + together] @ database.T
        own = torch.arange(len(scores))
        scores[own, start + own] = torch.inf  # before its duplicates
        best = scores.topk(k, dim=1)
        found, near = best.indices.numpy(), best.values.numpy()
        order = np.lexsort((found, -near), axis=1)
        rows[start : start + len(scores)] = np.take_along_axis(found, order, 1)
        cosines[start : start + len(scores)] = np.take_along_axis(near, order, 1).clip(max=1)
    return rows, cosines
