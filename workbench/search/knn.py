"""Exact k-nearest-neighbour graph of a database, for diffusion, k-reciprocal re-ranking and maps."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from workbench.common.progress import Progress, silent

_BATCH_SCORES = 2**24  # scores in memory at a time, 64 MiB: progress is reported several times a second


def nearest(vectors: np.ndarray, k: int, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest of unit vectors [N, D] among themselves, each vector being its own first.

    Returns rows int32 and cosines float32, both [N, k]; a ``k`` above N is reduced to N. Cosines never
    increase along a row, and ties keep the database's order. Exact; memory holds the result and one
    block of scores. (As fast as ``faiss.knn``, which does not put a vector before its duplicates.)
    """
    k = min(k, len(vectors))
    with warnings.catch_warnings():  # torch warns about read-only memory maps; nothing is written to it
        warnings.simplefilter("ignore")
        database = torch.from_numpy(vectors)
    rows = np.empty((len(vectors), k), np.int32)
    cosines = np.empty((len(vectors), k), np.float32)
    batch_size = max(1, _BATCH_SCORES // max(1, len(vectors)))
    for start in range(0, len(vectors), batch_size):
        progress("finding neighbours", start, len(vectors))
        scores = database[start : start + batch_size] @ database.T
        offsets = torch.arange(len(scores))
        scores[offsets, start + offsets] = torch.inf  # each vector before its duplicates
        best = scores.topk(min(k + 1, len(vectors)), dim=1)  # one more, to see whether the last one is tied
        indices, values = best.indices.numpy(), best.values.numpy()
        order = np.lexsort((indices, -values), axis=1)
        indices, values = np.take_along_axis(indices, order, 1), np.take_along_axis(values, order, 1)
        if k < len(vectors):
            for row in np.flatnonzero(values[:, k - 1] == values[:, k]):  # topk takes any of equal ones
                indices[row, :k] = np.argsort(-scores[row].numpy(), kind="stable")[:k]
        rows[start : start + len(scores)] = indices[:, :k]
        cosines[start : start + len(scores)] = values[:, :k].clip(max=1)
    return rows, cosines
