"""Rows of the same content have the same score in every index, wherever they are."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.steps import parse_index
from workbench.search import faiss_index
from workbench.search.duplicates import Duplicates, find_duplicates
from workbench.search.ranking import Ranking

INDEXES = [
    *("exact", "ivf:3:3", "imi:1:4", "pq:2", "pq:4", "opq:4", "ivf:2:2,pq:4", "imi:1:4,pq:4", "hnsw:8"),
    *("lsh:16", "itq:8", "sh:16", "ivf:2:2,lsh:16"),
]


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([8, 20, 132]))
def test_equal_vectors_have_equal_scores_with_every_index(seed: int, queries: int, dimensions: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rng.integers(dimensions + 20, dimensions + 60), dimensions)).astype(np.float32)
    same = rng.choice(len(vectors), 9, replace=False)
    vectors[same] = vectors[same[0]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = rng.normal(size=(queries, dimensions)).astype(np.float32)
    for name in INDEXES:
        index = faiss_index.build(parse_index(name), vectors)
        for k in (None, len(vectors)):
            rankings = index.search(asked, k)
            if name != "exact":  # which does it by itself
                rankings = find_duplicates(vectors).equalise(rankings, len(vectors))
            for ranking in rankings:
                positions = np.flatnonzero(np.isin(ranking.rows, same))
                assert len(positions) in (0, 9), name  # none if the cell was not probed
                assert len(np.unique(ranking.scores[positions])) <= 1, name
                assert (np.diff(ranking.scores) <= 0).all()


def test_images_of_one_product_code_have_one_score() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(90, 12)).astype(np.float32)
    index = faiss_index.build(parse_index("pq:1"), vectors)  # 64 centroids for 90 vectors
    code = faiss.vector_to_array(index.index.codes)  # type: ignore[attr-defined]
    assert len(np.unique(code)) < 90
    for ranking in index.search(rng.normal(size=(20, 12)).astype(np.float32)):
        for value in np.unique(code):
            members = np.isin(ranking.rows, np.flatnonzero(code == value))
            assert len(np.unique(ranking.scores[members])) == 1


@given(st.lists(st.integers(0, 4), max_size=30))
def test_duplicates_by_a_plain_loop(kinds: list[int]) -> None:
    vectors = np.array([[0.5, kind, -kind] for kind in kinds], np.float32).reshape(-1, 3)
    expected = [(row, kinds.index(kind)) for row, kind in enumerate(kinds) if kinds.index(kind) != row]
    for content in (vectors, np.abs(vectors).astype(np.uint8)):
        found = find_duplicates(content)
        assert list(zip(found.rows.tolist(), found.first.tolist(), strict=True)) == expected


def test_zero_equals_negative_zero() -> None:
    assert find_duplicates(np.array([[0.0, 1], [-0.0, 1]], np.float32)).rows.tolist() == [1]


@pytest.mark.parametrize(("tolerance", "rows"), [(np.inf, [0, 2, 1, 3]), (0.1, [0, 1, 2, 3])])
def test_equalising_by_hand(tolerance: float, rows: list[int]) -> None:
    # Rows 0 and 2 are the same: row 2 rises to 0.9, unless its score differs by more than rounding.
    ranking = Ranking(np.arange(4), np.array([0.9, 0.8, 0.5, 0.1], np.float32))
    (result,) = Duplicates(np.array([2]), np.array([0])).equalise([ranking], 4, tolerance)
    assert result.rows.tolist() == rows
    assert result.scores[rows.index(2)] == np.float32(0.9 if tolerance > 1 else 0.5)
    (untouched,) = Duplicates(np.array([3]), np.array([2])).equalise([ranking], 4, 0.1)
    assert untouched is ranking
