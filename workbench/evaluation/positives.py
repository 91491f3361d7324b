"""The ranks of the positives in one query's ranking, for each setting of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.collections.protocols import Protocol
from workbench.config.errors import WorkbenchError
from workbench.evaluation.grades import JUNK, SELF, Graded
from workbench.evaluation.ties import TieGroups, checked_scores, group_borders

_FEW = 16  # positives, from which on sorting the scores is faster than comparing each with all


class PositiveRanks(NamedTuple):
    """The positives of one query in one setting; ``groups`` only if they tie with other results.

    ``ranks`` increase. With ``groups`` they are those of one of the orders.
    """

    ranks: NDArray[np.int64]  # of the retrieved positives, from 0, without removed images
    positives: int  # all of them, retrieved or not
    groups: TieGroups | None = None


def rank_positives(
    ranking: NDArray[Any],
    graded: Graded,
    protocol: Protocol,
    query: Any,
    scores: NDArray[np.floating] | None = None,
) -> dict[str, PositiveRanks]:
    """Return the ranks of the positives in each setting for one query's ranking."""
    positions = _positions(ranking, graded.ids, query)
    ranked = positions >= 0
    settings = {}
    for setting, (positive, ignored) in protocol.settings.items():
        positives = graded.among(positive)
        removed = graded.among(ignored | {JUNK, SELF}) & ~positives & ranked
        sorted_positions = np.sort(positions[positives & ranked])
        removed_positions = np.sort(positions[removed])

        def without_removed(
            at: NDArray[np.int64], removed: NDArray[np.int64] = removed_positions
        ) -> NDArray[np.int64]:
            return at - np.searchsorted(removed, at)

        groups = None
        if scores is not None and _tied(scores, sorted_positions, query):
            borders = group_borders(checked_scores(scores), sorted_positions)
            groups = TieGroups.between(*map(without_removed, borders))
            groups = groups if groups.mixed else None
        settings[setting] = PositiveRanks(without_removed(sorted_positions), int(positives.sum()), groups)
    return settings


def count_positives(
    scores: NDArray[np.float32], graded: Graded, protocol: Protocol
) -> dict[str, PositiveRanks]:
    """Return the ranks of the positives in each setting from the scores [N] of a whole database, unsorted.

    ``graded.ids`` are rows of the database. A positive is behind all images with a higher score, which are
    counted; the result is that of ``rank_positives`` for the sorted scores.
    """
    values = scores[np.asarray(graded.ids, np.int64)]
    higher, not_lower = _counts(scores, values)
    settings = {}
    for setting, (positive, ignored) in protocol.settings.items():
        positives = graded.among(positive)
        removed = np.sort(values[graded.among(ignored | {JUNK, SELF}) & ~positives])
        own = values[positives]
        starts = np.sort(higher[positives] - (len(removed) - np.searchsorted(removed, own, "right")))
        ends = np.sort(not_lower[positives] - (len(removed) - np.searchsorted(removed, own, "left")))
        if (ends - starts == 1).all():
            settings[setting] = PositiveRanks(starts, len(starts))
            continue
        groups = TieGroups.between(starts, ends)
        ranks = groups.ranks(favourable=True)
        settings[setting] = PositiveRanks(ranks, len(starts), groups if groups.mixed else None)
    return settings


def ranks_by_counting(
    scores: NDArray[np.float32], rows: NDArray[np.int64], removed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort some ``rows`` of a database by its scores [N], equal ones by row; also return their ranks from 0.

    The ranks are those in the whole database without the ``removed`` rows, which is not sorted.
    """
    among = np.concatenate([rows, removed])
    is_removed = np.arange(len(among)) >= len(rows)
    higher, not_lower = _counts(scores, scores[among])
    for place in np.flatnonzero(not_lower - higher > 1):
        higher[place] += np.count_nonzero(scores[: among[place]] == scores[among[place]])
    order = np.argsort(higher, kind="stable")  # no two are equal
    ranks = (higher[order] - np.cumsum(is_removed[order]))[~is_removed[order]]
    return among[order][~is_removed[order]], ranks


def _counts(
    scores: NDArray[np.float32], values: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, for each of some of the ``scores``, the scores above it, and those above or equal."""
    if len(values) <= _FEW:
        pairs = [(np.count_nonzero(scores > value), np.count_nonzero(scores >= value)) for value in values]
        higher, not_lower = np.array(pairs, np.int64).reshape(-1, 2).T
        return higher, not_lower
    relevant = scores[scores >= values.min()]
    relevant.sort()
    right, left = (np.searchsorted(relevant, values, side) for side in ("right", "left"))
    return len(relevant) - right, len(relevant) - left


def _tied(scores: NDArray[np.floating], positions: NDArray[np.int64], query: Any) -> bool:
    """Whether the score at one of the positions is equal to the one before or after it.

    Only these scores are read. Raises WorkbenchError if one of them is above the score before it.
    """
    values, last = scores[positions], len(scores) - 1
    before, after = scores[np.maximum(positions - 1, 0)], scores[np.minimum(positions + 1, last)]
    if (before < values).any() or (after > values).any():
        raise WorkbenchError(f"query {query!r}: its scores increase along the ranking; give them best first")
    equal = ((before == values) & (positions > 0)) | ((after == values) & (positions < last))
    return bool(equal.any())


def _positions(
    ranking: NDArray[Any], wanted: Sequence[Any] | NDArray[np.int64], query: Any
) -> NDArray[np.int64]:
    """Return the position of each wanted id in a ranking, -1 if it is absent."""
    if ranking.ndim != 1:
        raise WorkbenchError(
            f"ranks of query {query!r}: a flat sequence of ids is needed, not {ranking.ndim}-D"
        )
    repeated = WorkbenchError(f"ranks of query {query!r}: an id is given twice; rank each image once")
    numbers = ranking.dtype.kind in "iu"
    named = [False] if isinstance(wanted, np.ndarray) else (isinstance(image, str) for image in wanted)
    if ranking.size and len(wanted) and any(name == numbers for name in named):
        raise WorkbenchError(
            f"query {query!r}: ranks and ground truth name images differently; "
            "use paths in both, or row numbers in both"
        )
    if (
        numbers
        and ranking.size
        and ranking.min() >= 0
        and (size := int(ranking.max()) + 1) <= 8 * ranking.size
    ):
        # Row numbers: inverting the permutation is several times faster than testing for membership.
        table = np.full(size, -1, np.int32)
        table[ranking] = np.arange(ranking.size, dtype=np.int32)
        if np.count_nonzero(table >= 0) != ranking.size:
            raise repeated
        rows = np.asarray(wanted, np.int64)
        inside = (rows >= 0) & (rows < size)
        return np.where(inside, table[np.where(inside, rows, 0)], -1).astype(np.int64)
    import pandas as pd  # not needed for row numbers

    index = pd.Index(ranking, dtype=ranking.dtype if numbers else object)
    if not index.is_unique:
        raise repeated
    return index.get_indexer(pd.Index(wanted, dtype=index.dtype)).astype(np.int64)
