"""The rows of a collection that whitenings are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workbench.collections.collection import Collection
from workbench.config.config import Config
from workbench.engine.description import picture_of
from workbench.features.map_source import Picture


class Fit(NamedTuple):
    """What whitenings are fitted on: rows of the database, pairs of rows, and the origin that is noted."""

    rows: list[int]
    pairs: np.ndarray | None
    provenance: dict[str, str]


def fit_rows(collection: Collection, pictures: Sequence[Picture], config: Config) -> Fit:
    """What the whitenings of a pipeline are fitted on; pairs only where one needs them."""
    needs_pairs = any(step.name == "lw" and not step.learned for step in config.whitenings)
    pairs = matching_rows(collection, pictures) if needs_pairs else None
    return Fit(whitening_rows(collection), pairs, {"collection": collection.name})


def whitening_rows(collection: Collection) -> list[int]:
    """Rows of the database that whitenings are fitted on.

    Distractors are left out, so that adding them changes no descriptor.
    """
    rows = [row for row, image in enumerate(collection.images) if not collection.is_distractor(image)]
    return rows or list(range(len(collection.images)))


def matching_rows(collection: Collection, pictures: Sequence[Picture]) -> np.ndarray:
    """Rows [m, 2] of pictures that match by the ground truth: each query with each of its positives."""
    row_of = {picture: row for row, picture in enumerate(pictures)}
    image_at = collection.rows
    pairs = [
        (row_of[picture_of(collection, query)], image_at[image])
        for query in collection.queries
        for image, grade in collection.relevance[query.id].items()
        if grade != "junk"
    ]
    return np.array([(a, b) for a, b in pairs if a != b], np.int64).reshape(-1, 2)
