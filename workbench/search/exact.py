"""Exact search by inner product. Descriptors have unit length, so the score is the cosine."""

from __future__ import annotations

import numpy as np
import torch


def scores(queries: torch.Tensor, database: torch.Tensor) -> np.ndarray:
    """Inner products of queries [Q, D] with a database [N, D], float32 [Q, N]."""
    return np.asarray((queries @ database.T).cpu().numpy(), np.float32)


def rank(scores: np.ndarray) -> np.ndarray:
    """Rows of the database from best to worst, int64 [Q, N]; equal scores keep the database's order."""
    return np.argsort(-scores, axis=1, kind="stable")
