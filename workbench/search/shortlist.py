"""Re-rank the first results of a search and keep the others, in their order, behind them."""

from __future__ import annotations

import numpy as np

from workbench.search.found import Found, ordered


def cosines(query: np.ndarray, database: np.ndarray, ranking: Found, first: int) -> Found:
    """Rank the ``first`` results of a query [D] by their exact cosines in a database [N, D]."""
    rows = ranking.rows[:first]
    return ordered(rows, np.asarray(database[rows] @ query, np.float32))


def behind(reranked: Found, ranking: Found) -> Found:
    """Append to the results ranked ``reranked`` the other results of ``ranking``, in their previous order.

    The scores of the others are lowered by one common amount, so that ties stay ties, until the best
    of them is just below the last re-ranked result; they are unchanged where they were below already.
    """
    outside = np.ones(ranking.rows.max(initial=-1) + 1, bool)
    outside[reranked.rows] = False
    others = outside[ranking.rows]
    if not len(reranked.rows) or not others.any():
        return reranked if len(reranked.rows) else ranking
    scores = ranking.scores[others].astype(np.float64)
    limit = np.nextafter(reranked.scores.min(), np.float32(-np.inf))
    lower = np.minimum(scores - max(0.0, scores[0] - limit), limit).astype(np.float32)
    rows, scores = np.append(reranked.rows, ranking.rows[others]), np.append(reranked.scores, lower)
    same = np.diff(scores) == 0
    tied = np.append(same, False) | np.append(False, same)  # includes ties created by rounding
    rows[tied] = rows[tied][np.lexsort((rows[tied], -scores[tied]))]
    return Found(rows, scores)
