"""A ranking as a table, and who moved in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workbench.search import exact


def ranking(
    scores: np.ndarray,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    before: np.ndarray | None = None,
) -> pd.DataFrame:
    """The first ``k`` (None: all) of the images ``ids`` [N] by their ``scores`` [N], best first.

    Columns: rank (from 1), image_id, score, relevance and, with the scores ``before`` [N], moved: by how
    many places an image rose since, negative where it fell.
    """
    order = exact.rank(scores[None])[0]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1)[:k],
            "image_id": [ids[row] for row in order[:k]],
            "score": scores[order[:k]].astype(float),
            "relevance": [relevance(ids[row]) for row in order[:k]],
        }
    )
    if before is not None:
        table["moved"] = (places(before) - places(scores))[order[:k]]
    return table


def places(scores: np.ndarray) -> np.ndarray:
    """The place of each image, from 0 for the best, int64 [N]."""
    order = exact.rank(scores[None])[0]
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places
