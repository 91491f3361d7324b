"""Relevance feedback and combined queries: values computed by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.search.ranking import Ranking, ranking_table, ranks
from workbench.search.relevance_feedback import Feedback, combine_queries, linear_svm, refine_query, rocchio

NONE = np.zeros((0, 2))


def units(seed: int, count: int, size: int = 6) -> torch.Tensor:
    vectors = torch.from_numpy(np.random.default_rng(seed).normal(size=(count, size)))
    return torch.nn.functional.normalize(vectors, dim=1)


def test_rocchio_matches_values_by_hand() -> None:
    # (1, 0) + 0.75 (0, 1) - 0.15 (-1, 0) = (1.15, 0.75), of length sqrt(1.885).
    liked, disliked = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([[-1.0, 0.0]])
    vector = rocchio(np.array([1.0, 0.0]), liked, disliked)
    assert vector.numpy() == pytest.approx(np.array([1.15, 0.75]) / 1.885**0.5)
    # 2 (1, 0) + 1 (0, 1) = (2, 1) without negatives.
    vector = rocchio(np.array([1.0, 0.0]), liked, NONE, alpha=2, beta=1)
    assert vector.numpy() == pytest.approx(np.array([2, 1]) / 5**0.5)


@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 4))
def test_rocchio_moves_towards_liked_and_away_from_disliked(seed: int, good: int, bad: int) -> None:
    query, liked, disliked = units(seed, 1)[0], units(seed + 1, good), units(seed + 2, bad)
    moved = rocchio(query, liked, disliked)
    assert float(moved.norm()) == pytest.approx(1)
    order = torch.arange(good - 1, -1, -1)
    assert torch.allclose(moved, rocchio(query, liked[order], disliked))
    if not good + bad:
        assert torch.allclose(moved, query)
    elif not bad:
        target = liked.mean(0)
        assert moved @ target >= query @ target - 1e-9
    elif not good:
        assert moved @ disliked.mean(0) <= query @ disliked.mean(0) + 1e-9


def test_svm_of_one_positive_and_one_negative_separates_them_midway() -> None:
    # Two vectors of equal length have equal weight, so the normal is their difference.
    query, disliked = np.array([1.0, 0.0]), np.array([[0.0, 1.0]])
    normal = linear_svm(query, NONE, disliked)
    assert normal.numpy() == pytest.approx(np.array([1, -1]) / 2**0.5, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(1, 3))
def test_svm_separates_positives_from_negatives(seed: int, good: int, bad: int) -> None:
    query, judged = units(seed, 1, 16)[0], units(seed + 1, good + bad, 16)
    direction = linear_svm(query, judged[:good], judged[good:])
    assert float(direction.norm()) == pytest.approx(1, abs=1e-5)
    positives = torch.cat([query[None], judged[:good]]) @ direction
    assert positives.mean() > (judged[good:] @ direction).mean()
    assert torch.equal(direction, linear_svm(query, judged[:good], judged[good:]))


def test_svm_without_a_negative_is_an_error() -> None:
    with pytest.raises(WorkbenchError, match="mark at least one result as bad"):
        linear_svm(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), NONE)


def test_combined_queries_are_their_mean_of_unit_length() -> None:
    assert combine_queries(np.array([[1.0, 0.0], [0.0, 1.0]])).numpy() == pytest.approx(np.full(2, 0.5**0.5))
    single = units(3, 1)
    assert torch.allclose(combine_queries(single), single[0])


def test_invalid_feedback_is_rejected() -> None:
    with pytest.raises(WorkbenchError, match="'a' is both liked and disliked"):
        Feedback(("a", "b"), ("c", "a"))
    with pytest.raises(WorkbenchError, match="'magic' is not known; valid: rocchio, svm"):
        Feedback(method="magic")  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="'x' is not an image"):
        refine_query(torch.ones(2), torch.ones(3, 2), {"a": 0, "b": 1, "c": 2}, Feedback(("x",)))


def test_ranking_table_shows_moved_ranks() -> None:
    # a, b, c had ranks 1, 2, 3 and have ranks 3, 1, 2 now.
    def ranking_of(rows: list[int], scores: list[float]) -> Ranking:
        return Ranking(np.array(rows), np.array(scores))

    after = ranking_of([1, 2, 0], [0.9, 0.5, 0.1])
    table = ranking_table(after, "abc", str.upper, None, ranking_of([0, 1, 2], [0.9, 0.5, 0.1]))
    assert table.to_dict("list") == {
        "rank": [1, 2, 3],
        "image_id": ["b", "c", "a"],
        "score": [0.9, 0.5, 0.1],
        "relevance": ["B", "C", "A"],
        "moved": [1, 1, -2],
    }
    assert list(ranking_table(ranking_of([1, 0], [0.9, 0.1]), "ab", str, 1)["image_id"]) == ["b"]
    # Images that the index did not reach rank after all that it reached.
    assert ranks(ranking_of([2, 0], [0.9, 0.5]), 4).tolist() == [1, 2, 0, 2]
    assert ranking_table(after, "abc", str, None, ranking_of([2], [0.9]))["moved"].tolist() == [1, -1, -1]
    # Synthetic distractors are ranked but have no name.
    assert list(ranking_table(after, "ab", str)["image_id"]) == ["b", "a"]
