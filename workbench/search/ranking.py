"""A ranking as a table, and who moved in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workbench.search.found import Found


def ranking(
    found: Found,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    before: Found | None = None,
) -> pd.DataFrame:
    """The first ``k`` (None: all) of the images ``ids`` [N] that were found, best first.

    Columns: rank (from 1), image_id, score, relevance and, with what was found ``before``, moved: by how
    many places an image rose since, negative where it fell. What was not found then, or is not now, stands
    behind all that was.
    """
    named = found.rows < len(ids)  # synthetic distractors have no name
    rows, scores = found.rows[named], found.scores[named]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1)[:k],
            "image_id": [ids[row] for row in rows[:k]],
            "score": scores[:k].astype(float),
            "relevance": [relevance(ids[row]) for row in rows[:k]],
        }
    )
    if before is not None:
        size = len(ids) + int(max(found.rows.max(initial=0), before.rows.max(initial=0)))
        table["moved"] = (places(before, size) - places(found, size))[rows[:k]]
    return table


def places(found: Found, size: int) -> np.ndarray:
    """The place of each of ``size`` images, from 0 for the best, int64 [size]."""
    places = np.full(size, len(found.rows))
    places[found.rows] = np.arange(len(found.rows))
    return places
