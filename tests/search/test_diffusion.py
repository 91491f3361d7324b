"""Diffusion on the neighbourhood graph, compared with a direct solution, and on random vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tests.support.rankings import assert_sound, drawn, search, searched
from workbench.common.progress import Cancelled
from workbench.search import diffusion
from workbench.search.diffusion import graph, rerank, solve
from workbench.search.ranking import Ranking


def at(*degrees: float) -> np.ndarray:
    """Return unit vectors in the plane at these angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def solved(affinities: np.ndarray, y: np.ndarray) -> np.ndarray:
    degrees = affinities.sum(1)
    normalised = affinities / np.sqrt(np.outer(degrees, degrees))
    return np.asarray(np.linalg.solve(np.eye(len(y)) - 0.99 * normalised, y))


def test_graph_weights_mutual_neighbours_by_their_cubed_cosine() -> None:
    # The nearest neighbour of 60° is 40°, whose nearest is 30°: only 0 and 1 are mutual neighbours.
    np.testing.assert_allclose(
        graph(at(30, 40, 60), 1).toarray(),
        [[0, w := np.cos(np.radians(10)) ** 3, 0], [w, 0, 0], [0, 0, 0]],
        atol=1e-6,
    )
    everything = np.cos(np.radians([[90, 10, 30], [10, 90, 20], [30, 20, 90]])) ** 3
    np.testing.assert_allclose(graph(at(30, 40, 60), 2).toarray(), everything, atol=1e-6)
    np.testing.assert_allclose(graph(at(30, 40, 60), 99).toarray(), everything, atol=1e-6)


def test_graph_has_no_edge_between_opposite_vectors_or_for_one_vector() -> None:
    assert graph(at(0, 150), 5).nnz == 0
    assert graph(at(0), 5).shape == (1, 1) and graph(at(0), 5).nnz == 0


def test_diffusion_matches_a_direct_solution() -> None:
    database, query = at(0, 20, 45, 60, 80), at(10)
    rankings = search(query, database)
    (reranked,) = rerank(query, database, rankings, graph(database, 2), 2)
    affinities = np.zeros((5, 5))  # mutual pairs among the two nearest neighbours of each vector
    for i, j in ((0, 1), (1, 2), (2, 3), (3, 4)):
        affinities[i, j] = affinities[j, i] = (
            np.cos(np.radians([0, 20, 45, 60, 80][j] - [0, 20, 45, 60, 80][i])) ** 3
        )
    np.testing.assert_allclose(graph(database, 2).toarray(), affinities, atol=1e-6)
    f = solved(affinities, np.cos(np.radians([10, 10, 90, 90, 90])) ** 3)
    assert reranked.rows.tolist() == np.argsort(-f).tolist()
    np.testing.assert_allclose(reranked.scores, -np.sort(-f), rtol=1e-4)


def test_diffusion_of_two_points_matches_values_by_hand() -> None:
    # S swaps them, so f = (y₀ + αy₁, y₁ + αy₀) / (1 − α²).
    f = solve(sparse.csr_array([[0, 0.3], [0.3, 0]]), np.array([1.0, 0]))
    np.testing.assert_allclose(f, np.array([1, 0.99]) / (1 - 0.99**2), rtol=1e-5)


def test_vector_without_neighbours_keeps_its_initial_value() -> None:
    np.testing.assert_array_equal(solve(sparse.csr_array((2, 2)), np.array([0.5, 0])), [0.5, 0])


def test_diffusion_ranks_a_connected_curve_before_nearer_points() -> None:
    """The database is a curve from the query with a point every 8° and a group 40° away on the other side."""
    curve = np.arange(0, 81, 8)
    database, query = at(*curve, *np.linspace(-42, -40, 6)), at(0)
    (ranking,) = search(query, database)
    assert (ranking.rows[:10] >= len(curve)).any()
    (reranked,) = rerank(query, database, [ranking], graph(database, 3), 3)
    assert set(reranked.rows[: len(curve)]) == set(range(len(curve)))


def test_diffusion_starts_from_at_most_ten_nearest_images() -> None:
    """On a graph without edges, diffusion returns its initial state."""
    database, query = drawn(30, 0, 2), drawn(1, 1, 2)
    database[database @ query[0] < 0] *= -1
    rankings, edges = search(query, database), sparse.csr_array((30, 30))
    for k, started in ((3, 3), (10, 10), (50, 10)):
        (reranked,) = rerank(query, database, rankings, edges, k)
        assert reranked.rows.tolist() == rankings[0].rows.tolist()
        is_start = np.isclose(reranked.scores, rankings[0].scores ** 3, rtol=1e-5, atol=0)
        assert is_start.tolist() == [True] * started + [False] * (30 - started)


def test_unreached_images_follow_in_their_previous_order() -> None:
    database, query = at(0, 10, 50, 60, 70, 200), at(5)
    rankings = search(query, database)
    (reranked,) = rerank(query, database, rankings, graph(database, 1), 2)
    assert rankings[0].rows.tolist() == reranked.rows.tolist() == [0, 1, 2, 3, 4, 5]
    reached, unreached = reranked.scores[:2], reranked.scores[2:]
    assert reached.min() > unreached.max()
    np.testing.assert_allclose(np.diff(unreached), np.diff(rankings[0].scores[2:]), atol=1e-6)


def test_ranking_is_unchanged_if_all_similarities_are_negative() -> None:
    database, query = at(100, 120, 180), at(0)
    (ranking,) = search(query, database)
    (reranked,) = rerank(query, database, [ranking], graph(database, 2), 5)
    np.testing.assert_array_equal(reranked.rows, ranking.rows)
    np.testing.assert_array_equal(reranked.scores, ranking.scores)


def test_only_the_first_results_are_reranked(monkeypatch: pytest.MonkeyPatch) -> None:
    database, queries = drawn(40, 0), drawn(3, 1)
    rankings = search(queries, database)
    edges = graph(database, 10)
    monkeypatch.setattr(diffusion, "FIRST", 15)
    reranked = rerank(queries, database, rankings, edges, 10)
    short = rerank(
        queries,
        database,
        [Ranking(ranking.rows[:15], ranking.scores[:15]) for ranking in rankings],
        edges,
        10,
    )
    for ranking_before, ranking_after, head in zip(rankings, reranked, short, strict=True):
        np.testing.assert_array_equal(ranking_after.rows, np.append(head.rows, ranking_before.rows[15:]))
    assert_sound(reranked, rankings)


@settings(max_examples=60, deadline=None)
@given(searched(), st.integers(1, 15))
def test_reranked_rankings_are_valid(case: Any, k: int) -> None:
    queries, database, rankings = case
    edges = graph(database, k)
    assert (edges - edges.T).nnz == 0 and not edges.diagonal().any() and (edges.data > 0).all()
    assert_sound(rerank(queries, database, rankings, edges, k), rankings)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(1, 8), st.integers(0, 999))
def test_iterative_solution_is_within_tolerance_of_a_direct_solution(count: int, k: int, seed: int) -> None:
    edges = graph(drawn(count, seed, 4), k)
    joined = np.flatnonzero(edges.sum(1) > 0)
    if len(joined):
        affinities = edges[joined][:, joined]
        y = np.random.default_rng(seed).random(len(joined))
        np.testing.assert_allclose(solve(affinities, y), solved(affinities.toarray(), y), rtol=1e-3)


def test_reranking_can_be_stopped() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        rerank(at(0), at(0, 10), search(at(0), at(0, 10)), graph(at(0, 10), 1), 1, stop)
