"""Indexes that see a part of the collection return what is asked for, and their note names the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.extraction import NETWORK
from workbench.bench.bench import Bench
from workbench.config.steps import parse_index
from workbench.search import faiss_index
from workbench.search.probing import search_at_least

BASE = f"{NETWORK}/mean/whole/pcaw:16"


@pytest.fixture(scope="module")
def bench(bench48: Bench) -> Bench:
    return bench48


@pytest.mark.parametrize("name", ["hnsw:8", "ivf:16:1", "imi:2:1", "ivf:16:1,pq:4", "ivf:16:1,lsh:32"])
@pytest.mark.parametrize("k", [1, 20, 200, 400, 1000])
def test_a_search_returns_as_many_results_as_are_asked_for(name: str, k: int) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss_index.build(parse_index(name), vectors)
    for ranking in search_at_least(index, vectors[:5], k):
        assert len(ranking.rows) >= min(k, 400)
        assert len(np.unique(ranking.rows)) == len(ranking.rows)


@pytest.mark.parametrize("name", ["ivf:16:4", "imi:2:4", "pq:2", "ivf:8:2,pq:4"])
@pytest.mark.parametrize("k", [1, 7, 30])
def test_first_results_are_those_of_the_whole_ranking_with_ties(name: str, k: int) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(400, 16)).astype(np.float32)
    for start in range(0, 400, 20):  # each vector many times, apart from each other
        vectors[start::40] = vectors[start]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss_index.build(parse_index(name), vectors)
    for size in (1, 5):
        whole = search_at_least(index, vectors[:size], k)
        for expected, ranking in zip(whole, search_at_least(index, vectors[:size], k, True), strict=True):
            np.testing.assert_array_equal(ranking.rows[:k], expected.rows[:k])
            np.testing.assert_array_equal(ranking.scores[:k], expected.scores[:k])


def test_hnsw_ranks_a_small_collection_as_a_whole_for_its_map(bench: Bench) -> None:
    exact = bench.evaluate(BASE)
    for step in ("hnsw:4", "hnsw:16", "hnsw:16:8"):
        evaluation = bench.evaluate(f"{BASE}/{step}")
        assert evaluation.mean_ap == pytest.approx(exact.mean_ap)
        (note,) = [warning for warning in evaluation.warnings if "approximate" in warning]
        assert "48 candidates for 48 images" in note and "not found" not in note
        query = bench.collection.queries[0].id
        assert len(bench.search(query, pipeline=f"{BASE}/{step}", k=30)) == 30


def test_hnsw_names_its_candidates_where_they_are_fewer_than_the_images(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.search.faiss_index.CANDIDATES", 6)
    evaluation = bench.evaluate(f"{BASE}/hnsw:2:5")
    positives = 7  # of each query, in six classes of eight
    assert any(
        "searches its graph with up to 6 candidates for 48 images, and all others" in warning
        for warning in evaluation.warnings
    )
    lengths = evaluation.rankings.groupby("query").size()
    assert lengths.max() <= 2 * (positives + 1)
    (note,) = [warning for warning in evaluation.warnings if "positives are not among them" in warning]
    assert note.startswith(f"hnsw:2:5 ranks {lengths.min()} to {lengths.max()} of 48 images for a query: ")


def test_the_note_counts_the_positives_that_an_inverted_index_misses(bench: Bench) -> None:
    pipeline = f"{BASE}/ivf:6:1"
    evaluation = bench.evaluate(pipeline)
    reached = {query: set(group["image_id"]) for query, group in evaluation.rankings.groupby("query")}
    missed = total = 0
    for query in bench.collection.queries:
        positives = set(bench.collection.relevance[query.id])
        missed, total = missed + len(positives - reached[query.id]), total + len(positives)
    lengths = [len(images) for images in reached.values()]
    assert missed
    assert (
        f"ivf:6:1 ranks {min(lengths)} to {max(lengths)} of 48 images for a query: {missed} of {total} "
        "positives are not among them and count as not found"
    ) in evaluation.warnings
    assert len(bench.search(bench.collection.queries[0].id, pipeline=pipeline, k=40)) == 40
    assert not any("not among them" in warning for warning in bench.evaluate(BASE).warnings)
