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


def test_rocchio_by_hand() -> None:
    # (1, 0) + 0.75 (0, 1) - 0.15 (-1, 0) = (1.15, 0.75), of length sqrt(1.885).
    liked, disliked = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([[-1.0, 0.0]])
    found = rocchio(np.array([1.0, 0.0]), liked, disliked)
    assert found.numpy() == pytest.approx(np.array([1.15, 0.75]) / 1.885**0.5)
    # 2 (1, 0) + 1 (0, 1) = (2, 1) without negatives.
    found = rocchio(np.array([1.0, 0.0]), liked, NONE, alpha=2, beta=1)
    assert found.numpy() == pytest.approx(np.array([2, 1]) / 5**0.5)


@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 4))
def test_rocchio_moves_towards_the_liked_and_away_from_the_disliked(seed: int, good: int, bad: int) -> None:
    query, liked, disliked = units(seed, 1)[0], units(seed + 1, good), units(seed + 2, bad)
    found = rocchio(query, liked, disliked)
    assert float(found.norm()) == pytest.approx(1)
    order = torch.arange(good - 1, -1, -1)
    assert torch.allclose(found, rocchio(query, liked[order], disliked))
    if not good + bad:
        assert torch.allclose(found, query)
    elif not bad:
        target = liked.mean(0)
        assert found @ target >= query @ target - 1e-9
    elif not good:
        assert found @ disliked.mean(0) <= query @ disliked.mean(0) + 1e-9


def test_an_svm_of_one_positive_and_one_negative_parts_them_in_the_middle() -> None:
    # Two vectors of one length weigh alike, so the normal is their difference.
    query, disliked = np.array([1.0, 0.0]), np.array([[0.0, 1.0]])
    found = linear_svm(query, NONE, disliked)
    assert found.numpy() == pytest.approx(np.array([1, -1]) / 2**0.5, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(1, 3))
def test_an_svm_parts_what_can_be_parted(seed: int, good: int, bad: int) -> None:
    query, others = units(seed, 1, 16)[0], units(seed + 1, good + bad, 16)
    direction = linear_svm(query, others[:good], others[good:])
    assert float(direction.norm()) == pytest.approx(1, abs=1e-5)
    positives = torch.cat([query[None], others[:good]]) @ direction
    assert positives.mean() > (others[good:] @ direction).mean()
    assert torch.equal(direction, linear_svm(query, others[:good], others[good:]))


def test_an_svm_without_a_negative_says_what_is_missing() -> None:
    with pytest.raises(WorkbenchError, match="mark at least one result as bad"):
        linear_svm(np.array([1.0, 0.0]), np.array([[0.0, 1.0]]), NONE)


def test_several_queries_are_one_mean_of_unit_length() -> None:
    assert combine_queries(np.array([[1.0, 0.0], [0.0, 1.0]])).numpy() == pytest.approx(np.full(2, 0.5**0.5))
    one = units(3, 1)
    assert torch.allclose(combine_queries(one), one[0])


def test_feedback_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="'a' is both liked and disliked"):
        Feedback(("a", "b"), ("c", "a"))
    with pytest.raises(WorkbenchError, match="'magic' is not known; valid: rocchio, svm"):
        Feedback(method="magic")  # type: ignore[arg-type]
    with pytest.raises(WorkbenchError, match="'x' is not an image"):
        refine_query(torch.ones(2), torch.ones(3, 2), {"a": 0, "b": 1, "c": 2}, Feedback(("x",)))


def test_who_moved_and_by_how_much() -> None:
    # a, b, c stood 1, 2, 3 and stand 3, 1, 2 now.
    def found(rows: list[int], scores: list[float]) -> Ranking:
        return Ranking(np.array(rows), np.array(scores))

    now = found([1, 2, 0], [0.9, 0.5, 0.1])
    table = ranking_table(now, "abc", str.upper, None, found([0, 1, 2], [0.9, 0.5, 0.1]))
    assert table.to_dict("list") == {
        "rank": [1, 2, 3],
        "image_id": ["b", "c", "a"],
        "score": [0.9, 0.5, 0.1],
        "relevance": ["B", "C", "A"],
        "moved": [1, 1, -2],
    }
    assert list(ranking_table(found([1, 0], [0.9, 0.1]), "ab", str, 1)["image_id"]) == ["b"]
    # What an index did not reach stands behind all that it did.
    assert ranks(found([2, 0], [0.9, 0.5]), 4).tolist() == [1, 2, 0, 2]
    assert ranking_table(now, "abc", str, None, found([2], [0.9]))["moved"].tolist() == [1, -1, -1]
    # Synthetic distractors take part and have no name.
    assert list(ranking_table(now, "ab", str)["image_id"]) == ["b", "a"]
