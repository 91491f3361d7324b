"""Vectors, exact searches and properties of any ranking, for tests of re-ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from workbench.search.ranking import Ranking, sorted_ranking


def unit(vectors: object) -> np.ndarray:
    numbers = np.asarray(vectors, np.float64)
    return np.asarray(numbers / np.linalg.norm(numbers, axis=-1, keepdims=True), np.float32)


def drawn(count: int, seed: int, dimensions: int = 5) -> np.ndarray:
    """Random unit vectors [count, D]."""
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)))


def search(queries: np.ndarray, database: np.ndarray, k: int | None = None) -> list[Ranking]:
    """The exact top ``k`` of each query."""
    rankings = [sorted_ranking(np.arange(len(database)), scores) for scores in queries @ database.T]
    return [Ranking(rows[:k], scores[:k]) for rows, scores in rankings]


@st.composite
def searched(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[Ranking]]:
    """Queries, a database of 1 to 12 vectors, some of them equal or opposite, and the exact rankings."""
    kinds = drawn(draw(st.integers(1, 6)), draw(st.integers(0, 999)), draw(st.integers(1, 4)))
    kinds = np.concatenate([kinds, -kinds])
    rows = st.integers(0, len(kinds) - 1)
    database = kinds[draw(st.lists(rows, min_size=1, max_size=12))]
    queries = kinds[draw(st.lists(rows, min_size=1, max_size=3))]
    return queries, database, search(queries, database, draw(st.none() | st.integers(1, len(database))))


def assert_sound(reranked: Sequence[Ranking], rankings: Sequence[Ranking]) -> None:
    """Assert that rankings keep their rows, with finite, descending scores and ties in database order."""
    assert len(reranked) == len(rankings)
    for after, before in zip(reranked, rankings, strict=True):
        assert (after.rows.dtype, after.scores.dtype) == (np.int64, np.float32)
        assert sorted(after.rows) == sorted(before.rows)
        assert np.isfinite(after.scores).all() and (np.diff(after.scores) <= 0).all()
        assert (np.diff(after.rows)[np.diff(after.scores) == 0] > 0).all()
