"""A ranking as a table, and the change of ranks between two rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workbench.search.found import Found


def ranking(
    ranking: Found,
    ids: Sequence[str],
    relevance: Callable[[str], str],
    k: int | None = None,
    previous: Found | None = None,
) -> pd.DataFrame:
    """Tabulate the first ``k`` (None: all) results of ``ranking`` among the images ``ids`` [N], best first.

    Columns: rank (from 1), image_id, score, relevance and, with a ``previous`` ranking, moved:
    the number of positions by which an image rose since, negative where it fell. An image that is
    missing from a ranking counts as placed behind all images in it.
    """
    named = ranking.rows < len(ids)  # synthetic distractors have no name
    rows, scores = ranking.rows[named], ranking.scores[named]
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1)[:k],
            "image_id": [ids[row] for row in rows[:k]],
            "score": scores[:k].astype(float),
            "relevance": [relevance(ids[row]) for row in rows[:k]],
        }
    )
    if previous is not None:
        size = len(ids) + int(max(ranking.rows.max(initial=0), previous.rows.max(initial=0)))
        table["moved"] = (places(previous, size) - places(ranking, size))[rows[:k]]
    return table


def places(ranking: Found, size: int) -> np.ndarray:
    """Return the position of each of ``size`` images, 0 for the best, int64 [size]."""
    positions = np.full(size, len(ranking.rows))
    positions[ranking.rows] = np.arange(len(ranking.rows))
    return positions
