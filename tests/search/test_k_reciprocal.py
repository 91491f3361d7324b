"""k-reciprocal re-ranking, against the paper's sets written out one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rankings import assert_sound, drawn, search, searched
from workbench.common.progress import Cancelled
from workbench.search import k_reciprocal
from workbench.search.k_reciprocal import prepare, rerank
from workbench.search.ranking import Ranking


def all_at_once(query: np.ndarray, database: np.ndarray, k1: int, k2: int, share: float) -> np.ndarray:
    """1 − d* of each image, as in Zhong et al. 2017, for the query and the database ranked together."""
    items = np.concatenate([database, query]).astype(np.float64)
    distance = 1 - items @ items.T
    np.fill_diagonal(distance, -1)  # an item is its own first neighbour
    order = np.argsort(distance, axis=1, kind="stable")
    np.fill_diagonal(distance, 0)
    everything = range(len(items))

    def reciprocal_neighbours(p: int, k: int) -> set[int]:
        return {int(g) for g in order[p, : k + 1] if p in order[g, : k + 1]}

    vectors = np.zeros((len(items), len(items)))
    for p in everything:
        near = reciprocal_neighbours(p, k1)
        expansion = set(near)
        for q in near:
            others = reciprocal_neighbours(q, round(k1 / 2))
            if len(near & others) >= 2 / 3 * len(others) - 1e-9:
                expansion |= others
        for g in expansion:
            vectors[p, g] = math.exp(-distance[p, g])
    vectors = np.stack([vectors[order[p, :k2]].mean(0) for p in everything])
    least = np.minimum(vectors[-1], vectors[:-1]).sum(1)
    most = np.maximum(vectors[-1], vectors[:-1]).sum(1)
    return np.asarray((1 - share) * least / most + share * (1 - distance[-1, :-1]))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 14),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 999),
)
def test_a_query_that_joins_the_database_is_ranked_as_all_at_once(
    count: int, k1: int, k2: int, share: float, seed: int
) -> None:
    database, query = drawn(count, seed, 4), drawn(1, seed + 1, 4)
    (again,) = rerank(query, database, search(query, database), prepare(database, k1, k2), k1, k2, share)
    expected = all_at_once(query, database, k1, k2, share)
    np.testing.assert_allclose(again.scores, expected[again.rows], atol=1e-5)
    assert len(again.rows) == count


def test_by_hand() -> None:
    """A pair beside the query, another further off, k1 = 1 and k2 = 1: sets of an item and its partner."""
    angles = np.radians([[10, 40, 45], [0, 0, 0]])
    database, query = (
        np.stack([np.cos(a), np.sin(a)], 1).astype(np.float32) for a in (angles[0], angles[1][:1])
    )
    (again,) = rerank(query, database, search(query, database), prepare(database, 1, 1), 1, 1, 0.0)
    # Query and first image have each other at exp(cos 10° − 1) and themselves at 1; the others share nothing.
    w = math.exp(math.cos(math.radians(10)) - 1)
    assert again.rows.tolist() == [0, 1, 2]
    np.testing.assert_allclose(again.scores, [2 * w / 2, 0, 0], atol=1e-6)


def test_only_the_first_results_are_ranked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k_reciprocal, "FIRST", 15)
    database, queries = drawn(40, 0), drawn(3, 1)
    found, neighbours = search(queries, database), prepare(database, 8, 3)
    again = rerank(queries, database, found, neighbours, 8, 3, 0.3)
    short = [Ranking(f.rows[:15], f.scores[:15]) for f in found]
    assert_sound(again, found)
    alone = rerank(queries, database, short, neighbours, 8, 3, 0.3)
    for before, after, first in zip(found, again, alone, strict=True):
        np.testing.assert_array_equal(after.rows, np.append(first.rows, before.rows[15:]))
        assert after.rows[:15].tolist() != before.rows[:15].tolist()


@settings(max_examples=60, deadline=None)
@given(searched(), st.integers(1, 15), st.integers(1, 15), st.sampled_from([0.0, 0.3, 1.0]))
def test_rankings_are_sound(case: Any, k1: int, k2: int, share: float) -> None:
    queries, database, found = case
    again = rerank(queries, database, found, prepare(database, k1, k2), k1, k2, share)
    assert_sound(again, found)


def test_with_a_share_of_one_it_is_the_search() -> None:
    database, queries = drawn(30, 2), drawn(4, 3)
    found = search(queries, database)
    for before, after in zip(
        found, rerank(queries, database, found, prepare(database, 5, 2), 5, 2, 1.0), strict=True
    ):
        np.testing.assert_array_equal(after.rows, before.rows)
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)


def test_it_can_be_stopped() -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise Cancelled

    vectors = drawn(4, 0)
    with pytest.raises(Cancelled):
        rerank(vectors, vectors, search(vectors, vectors), prepare(vectors, 2, 1), 2, 1, 0.3, stop)
