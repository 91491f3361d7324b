"""Queries that are drawn from a collection, with the rows of what is relevant to them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from workbench.collections.collection import require_ground_truth
from workbench.engine.graded_queries import GradedQueries
from workbench.engine.searcher import Searcher
from workbench.evaluation.grades import JUNK, SELF


class QuerySample(NamedTuple):
    """The queries that are compared: their numbers, rows and vectors, and the rows of graded images."""

    numbers: list[int]
    rows: list[int]
    vectors: torch.Tensor
    positives: list[np.ndarray]
    ignored: list[np.ndarray]

    @classmethod
    def of(cls, searcher: Searcher, count: int | None, seed: int) -> QuerySample:
        described = searcher.described
        collection, rows = described.collection, described.query_rows()
        protocol = require_ground_truth(collection)
        drawn = np.random.default_rng(seed).permutation(len(rows))[:count]
        numbers = sorted(drawn.tolist())
        positive, ignored = protocol.settings[protocol.headline]
        truth = GradedQueries(collection, described.image_rows(), protocol)
        graded = [truth[number] for number in numbers]
        ids = [np.asarray(grades.ids, np.int64) for grades in graded]
        others = (ignored | {JUNK, SELF}) - positive
        chosen = [rows[number] for number in numbers]
        return cls(
            numbers,
            chosen,
            described.descriptors.vectors[chosen],
            [row[grades.among(positive)] for row, grades in zip(ids, graded, strict=True)],
            [row[grades.among(others)] for row, grades in zip(ids, graded, strict=True)],
        )
