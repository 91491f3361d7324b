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
from workbench.search.faiss_index import FaissIndex, build, with_probes
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
def test_the_same_seed_gives_the_same_rankings(index: str) -> None:
    vectors, queries = unit(300, 16), unit(5, 16, 1)
    one, other = (build(steps(index), vectors, seed=3).search(queries) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.scores, b.scores)


@pytest.mark.parametrize("index", EVERY)
def test_rankings_are_sorted_finite_and_name_each_image_once(index: str) -> None:
    vectors = np.repeat(unit(60, 16), 5, axis=0)  # duplicates, so that scores are equal
    made = build(steps(index), vectors)
    for found in made.search(unit(7, 16, 1)):
        assert 0 < len(found.rows) <= len(vectors)
        assert len(set(found.rows.tolist())) == len(found.rows)
        assert np.isfinite(found.scores).all()
        falls = np.diff(found.scores)
        assert (falls <= 0).all()
        assert (np.diff(found.rows)[falls == 0] > 0).all()  # equal scores keep the database's order
    assert made.size == len(vectors)
    assert made.name == index


@pytest.mark.parametrize("index", ["ivf:8:8", "imi:2:16"])
def test_an_inverted_index_that_probes_every_cell_is_exact_search(index: str) -> None:
    vectors, queries = unit(200, 12), unit(6, 12, 1)
    for found, expected in zip(
        build(steps(index), vectors).search(queries), exact(queries, vectors), strict=True
    ):
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_what_an_inverted_index_finds_is_what_its_probed_cells_hold() -> None:
    vectors, queries = unit(200, 12), unit(6, 12, 1)
    step = steps("ivf:8:3")[0]
    found = fit_coarse_quantizer(step, vectors)
    of, probed = found.assign(vectors), found.probe(queries, 3)
    index = build((step,), vectors)
    for position, (ranking, whole) in enumerate(
        zip(index.search(queries), exact(queries, vectors), strict=True)
    ):
        held = np.isin(of[whole.rows], probed[position])
        np.testing.assert_array_equal(ranking.rows, whole.rows[held])


def test_cells_of_unit_vectors_are_those_of_the_largest_inner_product() -> None:
    vectors = unit(500, 8)
    found = fit_coarse_quantizer(steps("ivf:16")[0], vectors)
    centroids = found.quantizer.reconstruct_n(0, 16)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.assign(vectors), (vectors @ centroids.T).argmax(1))


def test_the_multi_index_has_a_cell_for_each_pair_of_halves() -> None:
    vectors = unit(500, 8)
    found = fit_coarse_quantizer(steps("imi:3")[0], vectors)
    assert found.count == 64
    books = faiss.vector_to_array(found.quantizer.pq.centroids).reshape(2, 8, 4)
    nearest = [
        ((half[:, None] - book) ** 2).sum(2).argmin(1)
        for half, book in zip((vectors[:, :4], vectors[:, 4:]), books, strict=True)
    ]
    np.testing.assert_array_equal(found.assign(vectors), nearest[0] + 8 * nearest[1])


@pytest.mark.parametrize("index", ["imi:4:48", "imi:4:200", "imi:3,pq:4", "imi:3:60,opq:4", "imi:3:60,sh:16"])
def test_the_multi_index_visits_the_nearest_cells_and_none_twice(index: str) -> None:
    vectors, queries = np.repeat(unit(150, 16), 2, axis=0), unit(40, 16, 1)
    for found in build(steps(index), vectors).search(queries):
        assert len(set(found.rows.tolist())) == len(found.rows)
    cell = steps("imi:4")[0]
    made = fit_coarse_quantizer(cell, vectors)
    books = faiss.vector_to_array(made.quantizer.pq.centroids).reshape(2, 16, 8)
    whole = np.array([np.concatenate([books[0][n % 16], books[1][n // 16]]) for n in range(256)])
    distances = ((queries[:, None] - whole[None]) ** 2).sum(2)
    for query, probed in zip(range(40), made.probe(queries, 200), strict=True):
        assert len(set(probed.tolist())) == 200
        np.testing.assert_allclose(distances[query][probed], np.sort(distances[query])[:200], atol=1e-5)


def test_what_is_coded_beyond_a_cell_is_shorter_than_the_vector() -> None:
    rng = np.random.default_rng(0)
    vectors = unit(8, 32)[rng.integers(0, 8, 400)] + 0.15 * rng.normal(size=(400, 32))
    vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    long = fit_coarse_quantizer(steps("ivf:8")[0], vectors)
    short = shorten_centroids(long, vectors)
    np.testing.assert_array_equal(short.assign(vectors), long.assign(vectors))
    np.testing.assert_array_equal(short.probe(vectors, 8), long.probe(vectors, 8))

    def beyond(found: CoarseQuantizer, factor: float = 1.0) -> float:
        centroids = factor * found.quantizer.reconstruct_n(0, 8)
        return float(((vectors - centroids[found.assign(vectors)]) ** 2).sum(1).mean())

    assert beyond(short) < beyond(long)
    assert beyond(short) <= min(beyond(short, 0.97), beyond(short, 1.03))


def test_more_probes_never_find_less_and_copy_nothing() -> None:
    vectors, queries = unit(300, 16), unit(4, 16, 1)
    index = build(steps("ivf:16:1"), vectors)
    reached = []
    for probes in (1, 2, 5, 16):
        wider = with_probes(index, probes)
        assert isinstance(wider, FaissIndex) and isinstance(index, FaissIndex)
        assert wider.index is index.index
        assert wider.name == ("ivf:16" if probes == 4 else f"ivf:16:{probes}")
        reached.append([set(found.rows.tolist()) for found in wider.search(queries)])
    for fewer, more in itertools.pairwise(reached):
        assert all(a <= b for a, b in zip(fewer, more, strict=True))
    assert all(len(found) == 300 for found in reached[-1])


def test_a_query_whose_cells_are_empty_still_finds_something() -> None:
    vectors = np.repeat(unit(1, 8), 20, axis=0)  # one of eight cells holds all
    index = build(steps("ivf:8:1"), vectors)
    for query in (vectors[:1], -vectors[:1], unit(1, 8, 5)):
        assert len(index.search(query)[0].rows) == 20


def test_scores_of_product_codes_are_inner_products_with_what_the_codes_stand_for() -> None:
    vectors, queries = unit(300, 16), unit(3, 16, 1)
    for name in ("pq:4", "ivf:4:4,pq:4", "opq:4", "ivf:4:4,opq:4"):
        index = build(steps(name), vectors)
        assert isinstance(index, FaissIndex)
        for query, found in zip(queries, index.search(queries), strict=True):
            for row, score in list(zip(found.rows, found.scores, strict=True))[::50]:
                assert index.score(query, int(row)) == pytest.approx(score, abs=1e-5)
        # Codes are learned to lie near the vectors: nearer than nothing at all, and than chance.
        errors = [abs(index.score(q, r) - float(q @ vectors[r])) for q in queries for r in range(40)]
        assert np.mean(errors) < 0.5 * np.mean(np.abs(queries @ vectors.T))


def test_product_codes_are_exact_where_each_vector_has_a_centroid_of_its_own() -> None:
    # 4 different sub-vectors for each half: 2 bits each tell them apart, and 256 vectors allow 8.
    halves = unit(4, 2)
    vectors = np.array([np.concatenate([a, b]) for a in halves for b in halves] * 16, np.float32) / np.sqrt(
        2
    ).astype("f")
    queries = unit(3, 4, 1)
    for found, expected in zip(
        build(steps("pq:2"), vectors).search(queries), exact(queries, vectors), strict=True
    ):
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_bytes_are_those_of_the_layout() -> None:
    vectors = unit(600, 32)
    made = {
        name: build(steps(name), vectors)
        for name in ("ivf:8", "pq:8", "ivf:8,pq:8", "opq:8", "hnsw:8", "lsh:64", "sh:64")
    }
    assert made["ivf:8"].bytes == 4 * 32 + 8  # and the row's number
    assert made["ivf:8"].shared_bytes == 4 * 32 * 8
    assert made["pq:8"].bytes == 8
    assert made["pq:8"].shared_bytes == 4 * 256 * 32
    assert made["ivf:8,pq:8"].bytes == 16
    assert made["opq:8"].shared_bytes == 4 * 256 * 32 + 4 * 32 * 32
    assert 4 * 32 + 4 * 16 <= made["hnsw:8"].bytes <= 4 * 32 + 4 * 24  # 16 links on the ground, fewer above
    assert made["lsh:64"].bytes == made["sh:64"].bytes == 8
    # What FAISS itself would write is that, and what all share, and the names of things.
    for name in ("pq:8", "ivf:8,pq:8", "opq:8"):
        index = made[name]
        assert isinstance(index, FaissIndex)
        written = len(faiss.serialize_index(index.index))
        assert (
            index.bytes * 600 + index.shared_bytes <= written <= index.bytes * 600 + index.shared_bytes + 4096
        )


def test_with_few_images_codes_have_fewer_centroids() -> None:
    index = build(steps("pq:4"), unit(40, 16))
    assert isinstance(index, FaissIndex)
    assert index.centroids == 32
    assert len(index.search(unit(1, 16, 1))[0].rows) == 40


@pytest.mark.parametrize(
    ("index", "vectors", "said"),
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
        ("hnsw:1", unit(9, 4), "at least two links"),
    ],
)
def test_what_cannot_be_built_says_so_before_any_training(index: str, vectors: np.ndarray, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        build(steps(index), vectors)


def test_one_bad_vector_far_down_is_found() -> None:
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
def test_the_smallest_collections_are_searched_too(index: str, n: int, seed: int, k: int) -> None:
    vectors = unit(n, 4, seed)
    found = build(steps(index or "exact"), vectors).search(vectors[:1], k)[0]
    assert 1 <= len(found.rows) <= min(n, k)
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("index", ["ivf:16", "ivf:16,pq:4", "ivf:16,sh:32"])
def test_a_memory_map_is_indexed_as_an_array_is(index: str, tmp_path: object) -> None:
    vectors, queries = unit(500, 16), unit(4, 16, 1)
    np.save(f"{tmp_path}/vectors.npy", vectors)
    mapped = np.load(f"{tmp_path}/vectors.npy", mmap_mode="r")
    for a, b in zip(
        build(steps(index), mapped).search(queries), build(steps(index), vectors).search(queries), strict=True
    ):
        np.testing.assert_array_equal(a.rows, b.rows)


def test_a_tensor_is_searched_where_it_lies() -> None:
    vectors = torch.from_numpy(unit(20, 4))
    index = build((), vectors)
    assert index.vectors.data_ptr() == vectors.data_ptr()  # type: ignore[attr-defined]
