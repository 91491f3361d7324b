"""Indexes by inner product: their recall, their cost, and invalid parameters."""

from __future__ import annotations

import itertools

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.config.errors import WorkbenchError
from workbench.config.steps import Step, parse_index
from workbench.search.faiss_index import FaissIndex, build
from workbench.search.quantizer import CoarseQuantizer, fit_coarse_quantizer, shorten_centroids
from workbench.search.ranking import Ranking

EVERY = [
    "ivf:8",
    "imi:2",
    "hnsw:8",
    "pq:4",
    "ivf:8,pq:4",
    "imi:2,pq:4",
    "lsh:64",
    "itq:16",
    "sh:32",
    "ivf:8,sh:32",
]


def steps(index: str) -> tuple[Step, ...]:
    return parse_index(index)


def unit(n: int, dimensions: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def exact(queries: np.ndarray, vectors: np.ndarray) -> list[Ranking]:
    return build((), vectors).search(queries)


@pytest.mark.parametrize("index", EVERY)
def test_equal_seeds_give_equal_rankings(index: str) -> None:
    vectors, queries = unit(300, 16), unit(5, 16, 1)
    rankings, repeated = (build(steps(index), vectors, seed=3).search(queries) for _ in range(2))
    for a, b in zip(rankings, repeated, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.scores, b.scores)


@pytest.mark.parametrize("index", EVERY)
def test_rankings_are_sorted_finite_and_name_each_image_once(index: str) -> None:
    vectors = np.repeat(unit(60, 16), 5, axis=0)  # duplicates, so that scores are equal
    built = build(steps(index), vectors)
    for ranking in built.search(unit(7, 16, 1)):
        assert 0 < len(ranking.rows) <= len(vectors)
        assert len(set(ranking.rows.tolist())) == len(ranking.rows)
        assert np.isfinite(ranking.scores).all()
        differences = np.diff(ranking.scores)
        assert (differences <= 0).all()
        assert (np.diff(ranking.rows)[differences == 0] > 0).all()  # equal scores keep the database's order
    assert built.size == len(vectors)
    assert built.name == index


@pytest.mark.parametrize("index", ["ivf:8:8", "imi:2:16"])
def test_inverted_index_that_probes_all_cells_is_exact_search(index: str) -> None:
    vectors, queries = unit(200, 12), unit(6, 12, 1)
    for ranking, expected in zip(
        build(steps(index), vectors).search(queries), exact(queries, vectors), strict=True
    ):
        np.testing.assert_array_equal(ranking.rows, expected.rows)
        np.testing.assert_allclose(ranking.scores, expected.scores, atol=1e-6)


def test_inverted_index_ranks_exactly_the_images_of_probed_cells() -> None:
    vectors, queries = unit(200, 12), unit(6, 12, 1)
    step = steps("ivf:8:3")[0]
    coarse = fit_coarse_quantizer(step, vectors)
    cells, probed = coarse.assign(vectors), coarse.probe(queries, 3)
    index = build((step,), vectors)
    for position, (ranking, full) in enumerate(
        zip(index.search(queries), exact(queries, vectors), strict=True)
    ):
        is_probed = np.isin(cells[full.rows], probed[position])
        np.testing.assert_array_equal(ranking.rows, full.rows[is_probed])


def test_unit_vectors_are_assigned_by_largest_inner_product() -> None:
    vectors = unit(500, 8)
    coarse = fit_coarse_quantizer(steps("ivf:16")[0], vectors)
    centroids = coarse.quantizer.reconstruct_n(0, 16)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(coarse.assign(vectors), (vectors @ centroids.T).argmax(1))


def test_multi_index_has_a_cell_for_each_pair_of_centroids() -> None:
    vectors = unit(500, 8)
    coarse = fit_coarse_quantizer(steps("imi:3")[0], vectors)
    assert coarse.count == 64
    codebooks = faiss.vector_to_array(coarse.quantizer.pq.centroids).reshape(2, 8, 4)
    nearest = [
        ((half[:, None] - codebook) ** 2).sum(2).argmin(1)
        for half, codebook in zip((vectors[:, :4], vectors[:, 4:]), codebooks, strict=True)
    ]
    np.testing.assert_array_equal(coarse.assign(vectors), nearest[0] + 8 * nearest[1])


@pytest.mark.parametrize("index", ["imi:4:48", "imi:4:200", "imi:3,pq:4", "imi:3:60,opq:4", "imi:3:60,sh:16"])
def test_multi_index_probes_the_nearest_cells_once(index: str) -> None:
    vectors, queries = np.repeat(unit(150, 16), 2, axis=0), unit(40, 16, 1)
    for ranking in build(steps(index), vectors).search(queries):
        assert len(set(ranking.rows.tolist())) == len(ranking.rows)
    cell = steps("imi:4")[0]
    coarse = fit_coarse_quantizer(cell, vectors)
    codebooks = faiss.vector_to_array(coarse.quantizer.pq.centroids).reshape(2, 16, 8)
    centroids = np.array([np.concatenate([codebooks[0][n % 16], codebooks[1][n // 16]]) for n in range(256)])
    distances = ((queries[:, None] - centroids[None]) ** 2).sum(2)
    for query, probed in zip(range(40), coarse.probe(queries, 200), strict=True):
        assert len(set(probed.tolist())) == 200
        np.testing.assert_allclose(distances[query][probed], np.sort(distances[query])[:200], atol=1e-5)


def test_shortened_centroids_leave_smaller_residuals() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(8, 32)[rng.integers(0, 8, 400)] + 0.15 * rng.normal(size=(400, 32))
    vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    long = fit_coarse_quantizer(steps("ivf:8")[0], vectors)
    short = shorten_centroids(long, vectors)
    np.testing.assert_array_equal(short.assign(vectors), long.assign(vectors))
    np.testing.assert_array_equal(short.probe(vectors, 8), long.probe(vectors, 8))

    def residual(coarse: CoarseQuantizer, factor: float = 1.0) -> float:
        centroids = factor * coarse.quantizer.reconstruct_n(0, 8)
        return float(((vectors - centroids[coarse.assign(vectors)]) ** 2).sum(1).mean())

    assert residual(short) < residual(long)
    assert residual(short) <= min(residual(short, 0.97), residual(short, 1.03))


def test_more_probes_keep_results_and_share_the_index() -> None:
    vectors, queries = unit(300, 16), unit(4, 16, 1)
    index = build(steps("ivf:16:1"), vectors)
    rows_by_probes = []
    for probes in (1, 2, 5, 16):
        view = index.probing(probes)
        assert isinstance(view, FaissIndex) and isinstance(index, FaissIndex)
        assert view.index is index.index
        assert view.name == ("ivf:16" if probes == 4 else f"ivf:16:{probes}")
        rows_by_probes.append([set(ranking.rows.tolist()) for ranking in view.search(queries)])
    for fewer, more in itertools.pairwise(rows_by_probes):
        assert all(a <= b for a, b in zip(fewer, more, strict=True))
    assert all(len(rows) == 300 for rows in rows_by_probes[-1])


def test_query_with_empty_probed_cells_has_a_full_ranking() -> None:
    vectors = np.repeat(unit(1, 8), 20, axis=0)  # one of eight cells holds all vectors
    index = build(steps("ivf:8:1"), vectors)
    for query in (vectors[:1], -vectors[:1], unit(1, 8, 5)):
        assert len(index.search(query)[0].rows) == 20


def test_product_code_scores_are_inner_products_with_decoded_vectors() -> None:
    vectors, queries = unit(300, 16), unit(3, 16, 1)
    for name in ("pq:4", "ivf:4:4,pq:4", "opq:4", "ivf:4:4,opq:4"):
        index = build(steps(name), vectors)
        assert isinstance(index, FaissIndex)
        for query, ranking in zip(queries, index.search(queries), strict=True):
            for row, score in list(zip(ranking.rows, ranking.scores, strict=True))[::50]:
                assert index.score(query, int(row)) == pytest.approx(score, abs=1e-5)
        # Codes approximate the vectors better than the zero vector and better than random vectors.
        errors = [abs(index.score(q, r) - float(q @ vectors[r])) for q in queries for r in range(40)]
        assert np.mean(errors) < 0.5 * np.mean(np.abs(queries @ vectors.T))


def test_product_codes_are_exact_with_a_centroid_for_each_vector() -> None:
    # 4 different sub-vectors for each half: 2 bits suffice, and 256 vectors allow 8 bits.
    halves = unit(4, 2)
    vectors = np.array([np.concatenate([a, b]) for a in halves for b in halves] * 16, np.float32) / np.sqrt(
        2
    ).astype("f")
    queries = unit(3, 4, 1)
    for ranking, expected in zip(
        build(steps("pq:2"), vectors).search(queries), exact(queries, vectors), strict=True
    ):
        np.testing.assert_allclose(ranking.scores, expected.scores, atol=1e-5)


def test_bytes_match_the_memory_layout() -> None:
    vectors = unit(600, 32)
    indexes = {
        name: build(steps(name), vectors)
        for name in ("ivf:8", "pq:8", "ivf:8,pq:8", "opq:8", "hnsw:8", "lsh:64", "sh:64")
    }
    assert indexes["ivf:8"].bytes == 4 * 32 + 8  # and the row number
    assert indexes["ivf:8"].shared_bytes == 4 * 32 * 8
    assert indexes["pq:8"].bytes == 8
    assert indexes["pq:8"].shared_bytes == 4 * 256 * 32
    assert indexes["ivf:8,pq:8"].bytes == 16
    assert indexes["opq:8"].shared_bytes == 4 * 256 * 32 + 4 * 32 * 32
    assert (
        4 * 32 + 4 * 16 <= indexes["hnsw:8"].bytes <= 4 * 32 + 4 * 24
    )  # 16 links on the lowest layer, fewer above
    assert indexes["lsh:64"].bytes == indexes["sh:64"].bytes == 8
    # FAISS writes the codes, the shared parts and a header.
    for name in ("pq:8", "ivf:8,pq:8", "opq:8"):
        index = indexes[name]
        assert isinstance(index, FaissIndex)
        serialized_size = len(faiss.serialize_index(index.index))
        assert (
            index.bytes * 600 + index.shared_bytes
            <= serialized_size
            <= index.bytes * 600 + index.shared_bytes + 4096
        )


def test_codes_of_few_images_have_fewer_centroids() -> None:
    index = build(steps("pq:4"), unit(40, 16))
    assert isinstance(index, FaissIndex)
    assert index.centroids == 32
    assert len(index.search(unit(1, 16, 1))[0].rows) == 40


@pytest.mark.parametrize(
    ("index", "vectors", "message"),
    [
        ("ivf:64", unit(10, 8), "64 centroids need as many vectors, and there are 10; use ivf:3"),
        ("imi:4", unit(10, 8), "16 centroids need as many vectors, and there are 10; use imi:3"),
        ("imi:1", unit(1, 8), "use ivf:1"),
        ("imi:2", unit(20, 7), "7 dimensions cannot be halved"),
        ("pq:16", unit(300, 100), "100 dimensions do not divide into 16 equal parts; valid: 1, 2, 4, 5, 10"),
        ("pq:4", unit(1, 8), "at least two vectors, and there is 1"),
        ("opq:4", unit(10, 16), "16 dimensions is learned from at least as many vectors, and there are 10"),
        ("ivf:4", np.full((9, 4), np.nan, np.float32), "vector 0 is not finite"),
        ("itq:64", unit(300, 32), "itq:64"),
        ("pq:2", np.empty((0, 4), np.float32), "needs vectors"),
        ("pq:4", unit(5, 8), "at least 8 centroids"),
        ("hnsw:1", unit(9, 4), "at least two links"),
    ],
)
def test_invalid_index_is_rejected_before_training(index: str, vectors: np.ndarray, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        build(steps(index), vectors)


def test_single_non_finite_vector_is_reported() -> None:
    vectors = unit(70_000, 2)
    vectors[69_999, 1] = np.inf
    with pytest.raises(WorkbenchError, match="vector 69999 is not finite"):
        build((), vectors)


@given(
    st.sampled_from(["ivf:1", "hnsw:2", "lsh:8", ""]),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=40)
def test_smallest_collections_can_be_searched(index: str, n: int, seed: int, k: int) -> None:
    vectors = unit(n, 4, seed)
    ranking = build(steps(index or "exact"), vectors).search(vectors[:1], k)[0]
    assert 1 <= len(ranking.rows) <= min(n, k)
    assert np.isfinite(ranking.scores).all()


@pytest.mark.parametrize("index", ["ivf:16", "ivf:16,pq:4", "ivf:16,sh:32"])
def test_memory_map_gives_the_same_index_as_an_array(index: str, tmp_path: object) -> None:
    vectors, queries = unit(500, 16), unit(4, 16, 1)
    np.save(f"{tmp_path}/vectors.npy", vectors)
    mapped = np.load(f"{tmp_path}/vectors.npy", mmap_mode="r")
    for a, b in zip(
        build(steps(index), mapped).search(queries), build(steps(index), vectors).search(queries), strict=True
    ):
        np.testing.assert_array_equal(a.rows, b.rows)


def test_tensor_is_searched_without_a_copy() -> None:
    vectors = torch.from_numpy(unit(20, 4))
    index = build((), vectors)
    assert index.vectors.data_ptr() == vectors.data_ptr()  # type: ignore[attr-defined]
