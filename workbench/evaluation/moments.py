"""Rankings of moments as rankings of shots or of videos, and how far the best moment is from the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.collections.protocols import Protocol
from workbench.config.errors import WorkbenchError
from workbench.evaluation import protocols
from workbench.evaluation.protocols import Scores

# Instance search of TRECVID (Awad et al. 2017, "Instance search retrospective with focus on TRECVID") judges
# shots of a segmentation that is given, by the average precision of the ranking of shots.
SHOTS = Protocol(
    "shots",
    "Instance search, after TRECVID",
    "sum",
    {"": (frozenset({"positive"}), frozenset({"junk"}))},
    note="a shot, or a video, ranks as its best moment; it is positive if the object appears in it, and is "
    "removed if the object is seen there only in a transition or in small part",
)


class GroupRanking(NamedTuple):
    """A ranking of groups of moments: their numbers int64 [g], best first, the places int64 [g] of their
    best moments in the ranking of moments, and the scores [g] of these."""

    groups: NDArray[np.int64]
    best: NDArray[np.int64]
    scores: NDArray[np.floating]


def group_ranking(groups: ArrayLike, scores: ArrayLike) -> GroupRanking:
    """Rank groups by their best moment.

    ``groups`` [n] and ``scores`` [n] are those of ranked moments, best first. Raises WorkbenchError if they
    are not as many.
    """
    numbers, values = np.asarray(groups, np.int64), np.asarray(scores)
    if numbers.ndim != 1 or numbers.shape != values.shape:
        raise WorkbenchError(f"{values.size} scores for {numbers.size} moments; give one for each")
    best = np.sort(np.unique(numbers, return_index=True)[1])
    return GroupRanking(numbers[best], best, values[best])


def evaluate_groups(
    rankings: Sequence[GroupRanking], truths: Sequence[Mapping[int, str]], queries: Sequence[str]
) -> Scores:
    """Evaluate rankings of groups by ``SHOTS``; ``truths`` hold {number of the group: positive or junk}."""
    return protocols.evaluate(
        dict(zip(queries, (ranking.groups for ranking in rankings), strict=True)),
        dict(zip(queries, truths, strict=True)),
        SHOTS,
        dict(zip(queries, (ranking.scores for ranking in rankings), strict=True)),
    )


def time_error(seconds: float, intervals: Sequence[tuple[float, float]]) -> float:
    """The distance of a time to the nearest of intervals (start, end), in seconds: zero inside of one.

    NaN without intervals.
    """
    return min((max(start - seconds, seconds - end, 0.0) for start, end in intervals), default=float("nan"))
