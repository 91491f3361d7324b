"""Search an index with more probes where it returns fewer results than are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.config.steps import Step
from workbench.search.ranking import Index, Ranking

_ROUNDING = 1e-5  # largest relative difference between the scores of equal vectors, before they are equalised


def search_at_least(index: Index, queries: Any, k: int | None, only_first: bool = False) -> list[Ranking]:
    """Rank all rows within reach for queries [Q, D]; with ``k``, at least that many if the index has them.

    Queries with fewer results are searched again with twice the probes, until all cells are probed. A graph
    is searched with ``k`` candidates, or its own number if that is larger, not with as many as a whole
    ranking needs. With ``only_first``, results behind the first ``k`` may be left out.
    """
    if k is None:
        return index.search(queries)
    if index.graph and (k >= index.probes or not only_first):
        return index.search(queries, min(index.size, max(k, index.probes)))
    rankings = _first(index, queries, k) if only_first else index.search(queries)
    probes, wanted = index.probes, min(k, index.size)
    while short := [position for position, ranking in enumerate(rankings) if len(ranking.rows) < wanted]:
        if probes >= index.cell_count:
            break
        probes = min(2 * probes, index.cell_count)
        for position, ranking in zip(short, index.probing(probes).search(queries[short]), strict=True):
            rankings[position] = ranking
    return rankings


def probing_steps(steps: Sequence[Step], probes: int) -> tuple[Step, ...]:
    """The steps of an index, the first of them with another number of probed cells or candidates."""
    first, *rest = steps
    return (Step(first.name, (first.args[0], float(probes))), *rest)


def _first(index: Index, queries: Any, k: int) -> list[Ranking]:
    """Rank the first ``k`` rows within reach, or more."""
    if not index.selects_ties:
        return index.search(queries, k)
    # All of the rows that tie for the last place are needed.
    count, most = k + 1, index.probes if index.graph else index.size
    rankings = index.search(queries, count)
    while count < most and (
        tied := [position for position, ranking in enumerate(rankings) if _tied(ranking, k, count)]
    ):
        count = min(4 * count, most)
        for position, ranking in zip(tied, index.search(queries[tied], count), strict=True):
            rankings[position] = ranking
    return rankings


def _tied(ranking: Ranking, k: int, count: int) -> bool:
    """Whether the last of ``count`` rows ties for the place of the ``k``-th, as far as rounding tells."""
    scores = ranking.scores
    if len(scores) < count:
        return False
    return bool(scores.item(k - 1) - scores.item(-1) <= _ROUNDING * abs(scores.item(0)))
