"""The first results of a search, ranked again, and the rest behind them as it was."""

from __future__ import annotations

import numpy as np

from workbench.search.found import Found, ordered


def cosines(query: np.ndarray, database: np.ndarray, found: Found, first: int) -> Found:
    """The ``first`` results of a query [D], ranked by their exact cosines in a database [N, D]."""
    rows = found.rows[:first]
    return ordered(rows, np.asarray(database[rows] @ query, np.float32))


def behind(again: Found, found: Found) -> Found:
    """Results ranked ``again``, and behind them the others of ``found`` in the order they had there.

    The others' scores are all lowered alike, so that what was equal stays equal, until the best of them
    stands just below the last of those ranked again; where it did before, they stay.
    """
    rest = np.ones(found.rows.max(initial=-1) + 1, bool)
    rest[again.rows] = False
    kept = rest[found.rows]
    if not len(again.rows) or not kept.any():
        return again if len(again.rows) else found
    scores = found.scores[kept].astype(np.float64)
    below = np.nextafter(again.scores.min(), np.float32(-np.inf))
    lowered = np.minimum(scores - max(0.0, scores[0] - below), below).astype(np.float32)
    rows, scores = np.append(again.rows, found.rows[kept]), np.append(again.scores, lowered)
    equal = np.diff(scores) == 0
    tied = np.append(equal, False) | np.append(False, equal)  # also what rounding has made equal
    rows[tied] = rows[tied][np.lexsort((rows[tied], -scores[tied]))]
    return Found(rows, scores)
