"""k-reciprocal re-ranking, compared with a direct implementation of the paper's sets."""

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
    """Return 1 − d* of each image (Zhong et al. 2017) for the query and the database ranked together."""
    items = np.concatenate([database, query]).astype(np.float64)
    distance = 1 - items @ items.T
    np.fill_diagonal(distance, -1)  # the first neighbour of an item is the item
    order = np.argsort(distance, axis=1, kind="stable")
    np.fill_diagonal(distance, 0)
    everything = range(len(items))

    def reciprocal_neighbours(p: int, k: int) -> set[int]:
        return {int(g) for g in order[p, : k + 1] if p in order[g, : k + 1]}

    vectors = np.zeros((len(items), len(items)))
    for p in everything:
        reciprocal = reciprocal_neighbours(p, k1)
        expansion = set(reciprocal)
        for q in reciprocal:
            candidates = reciprocal_neighbours(q, round(k1 / 2))
            if len(reciprocal & candidates) >= 2 / 3 * len(candidates) - 1e-9:
                expansion |= candidates
        for g in expansion:
            vectors[p, g] = math.exp(-distance[p, g])
    vectors = np.stack([vectors[order[p, :k2]].mean(0) for p in everything])
    minima = np.minimum(vectors[-1], vectors[:-1]).sum(1)
    maxima = np.maximum(vectors[-1], vectors[:-1]).sum(1)
    return np.asarray((1 - share) * minima / maxima + share * (1 - distance[-1, :-1]))


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 14),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 999),
)
def test_reranking_matches_the_direct_implementation(
    count: int, k1: int, k2: int, share: float, seed: int
) -> None:
    database, query = drawn(count, seed, 4), drawn(1, seed + 1, 4)
    (reranked,) = rerank(query, database, search(query, database), prepare(database, k1, k2), k1, k2, share)
    expected = all_at_once(query, database, k1, k2, share)
    np.testing.assert_allclose(reranked.scores, expected[reranked.rows], atol=1e-5)
    assert len(reranked.rows) == count


def test_jaccard_similarity_matches_values_by_hand() -> None:
    """With k1 = k2 = 1, the set of an item holds the item and its nearest neighbour."""
    angles = np.radians([[10, 40, 45], [0, 0, 0]])
    database, query = (
        np.stack([np.cos(a), np.sin(a)], 1).astype(np.float32) for a in (angles[0], angles[1][:1])
    )
    (reranked,) = rerank(query, database, search(query, database), prepare(database, 1, 1), 1, 1, 0.0)
    # The query and the first image weigh each other exp(cos 10° − 1) and themselves 1; others share none.
    w = math.exp(math.cos(math.radians(10)) - 1)
    assert reranked.rows.tolist() == [0, 1, 2]
    np.testing.assert_allclose(reranked.scores, [2 * w / 2, 0, 0], atol=1e-6)


def test_only_the_first_results_are_reranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k_reciprocal, "FIRST", 15)
    database, queries = drawn(40, 0), drawn(3, 1)
    rankings, neighbours = search(queries, database), prepare(database, 8, 3)
    reranked = rerank(queries, database, rankings, neighbours, 8, 3, 0.3)
    short = [Ranking(ranking.rows[:15], ranking.scores[:15]) for ranking in rankings]
    assert_sound(reranked, rankings)
    heads = rerank(queries, database, short, neighbours, 8, 3, 0.3)
    for ranking_before, ranking_after, head in zip(rankings, reranked, heads, strict=True):
        np.testing.assert_array_equal(ranking_after.rows, np.append(head.rows, ranking_before.rows[15:]))
        assert ranking_after.rows[:15].tolist() != ranking_before.rows[:15].tolist()


@settings(max_examples=60, deadline=None)
@given(searched(), st.integers(1, 15), st.integers(1, 15), st.sampled_from([0.0, 0.3, 1.0]))
def test_reranked_rankings_are_valid(case: Any, k1: int, k2: int, share: float) -> None:
    queries, database, rankings = case
    reranked = rerank(queries, database, rankings, prepare(database, k1, k2), k1, k2, share)
    assert_sound(reranked, rankings)


def test_share_of_one_keeps_the_ranking() -> None:
    database, queries = drawn(30, 2), drawn(4, 3)
    rankings = search(queries, database)
    for before, after in zip(
        rankings, rerank(queries, database, rankings, prepare(database, 5, 2), 5, 2, 1.0), strict=True
    ):
        np.testing.assert_array_equal(after.rows, before.rows)
        np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)


def test_reranking_can_be_stopped() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    vectors = drawn(4, 0)
    with pytest.raises(Cancelled):
        rerank(vectors, vectors, search(vectors, vectors), prepare(vectors, 2, 1), 2, 1, 0.3, stop)
