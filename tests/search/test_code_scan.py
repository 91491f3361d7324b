"""The scan of product codes for many queries returns what FAISS returns for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.steps import parse_index
from workbench.search import code_scan, faiss_index


@pytest.mark.parametrize("name", ["pq:4", "opq:4"])
def test_as_faiss(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = _unit(np.random.default_rng(0).normal(size=(3000, 16)))
    queries = vectors[:20] + np.float32(0.01)
    index = faiss_index.build(parse_index(name), vectors)
    monkeypatch.setattr(code_scan, "_BLOCK", 256)
    scanned = index.search(queries, 30)
    for query, ranking in zip(queries, scanned, strict=True):
        (expected,) = index.search(query[None], 30)  # one query: FAISS
        np.testing.assert_allclose(ranking.scores, expected.scores, atol=1e-5)
        clear = np.abs(np.diff(expected.scores, prepend=2, append=expected.scores[-1])) > 1e-5
        clear = clear[:-1] & clear[1:]
        np.testing.assert_array_equal(ranking.rows[clear], expected.rows[clear])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_equal_scores_keep_the_order_of_rows(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (200, 2), dtype=np.uint8)
    table = rng.integers(0, 3, (512, 3)).astype(np.float32)  # whole numbers: many ties
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_scan, "_BLOCK", 32)
        rankings = code_scan.scan(codes, code_scan.torch.from_numpy(table), k)
    for column, ranking in enumerate(rankings):
        scores = table[codes[:, 0], column] + table[256 + codes[:, 1].astype(int), column]
        order = np.argsort(-scores, kind="stable")[:k]
        np.testing.assert_array_equal(ranking.rows, order)
        np.testing.assert_array_equal(ranking.scores, scores[order])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
