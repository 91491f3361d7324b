"""Binary codes: coders, indexes of codes, and inverted indexes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from workbench.config.errors import WorkbenchError
from workbench.config.steps import INDEX_STEPS, Step
from workbench.search import faiss_index, kmeans, lsh
from workbench.search.binary_index import CodeIndex
from workbench.search.ranking import Ranking

CODERS = ["lsh:32", "itq:32", "sh:32"]


def unit(count: int, dimensions: int = 48, seed: int = 0) -> np.ndarray:
    """Return unit vectors in twenty clusters."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((20, dimensions))[generator.integers(0, 20, count)]
    x = x + 0.6 * generator.standard_normal((count, dimensions))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def steps(text: str) -> list[Step]:
    return [
        Step(name, (*map(float, arguments),))
        for name, *arguments in (word.split(":") for word in text.split(","))
        if name in INDEX_STEPS
    ]


def build(text: str, vectors: np.ndarray, seed: int = 0) -> CodeIndex:
    index = faiss_index.build(steps(text), vectors, seed)
    assert isinstance(index, CodeIndex)
    return index


def same(rankings: Sequence[Ranking], expected: Sequence[Ranking]) -> None:
    assert len(rankings) == len(expected)
    for ranking, wanted in zip(rankings, expected, strict=True):
        np.testing.assert_array_equal(ranking.rows, wanted.rows)
        np.testing.assert_array_equal(ranking.scores, wanted.scores)


# Coders


@pytest.mark.parametrize("bits", [64, 48, 512])  # fewer than, equal to and more than the dimensions
def test_random_hyperplanes_separate_vectors_in_proportion_to_their_angle(bits: int) -> None:
    trials, dimensions = 20, 48
    generator = np.random.default_rng(5)
    a = generator.standard_normal(dimensions)
    side = generator.standard_normal(dimensions)
    side -= side @ a / (a @ a) * a
    a, side = a / np.linalg.norm(a), side / np.linalg.norm(side)
    angles = np.array([0, 0.2, 1.0, np.pi / 2, 2.5])
    fan = (np.cos(angles)[:, None] * a + np.sin(angles)[:, None] * side).astype(np.float32)
    coded = np.array([lsh.lsh(dimensions, bits, seed).encode(fan) for seed in range(trials)])
    differing = np.bitwise_count(coded ^ coded[:, :1]).sum((0, 2)) / (bits * trials)
    share = angles / np.pi
    error = np.sqrt(share * (1 - share) / (bits * trials))  # binomial (Charikar 2002); this variance is lower
    assert (np.abs(differing - share) <= 4 * error).all()


def test_itq_rotation_is_orthogonal_and_lowers_the_quantization_error() -> None:
    x = unit(2000)
    coder = lsh.itq(x, 24).coder
    transform: Any = faiss.downcast_VectorTransform(coder.chain.at(0))
    rotation = faiss.vector_to_array(transform.itq.A).reshape(24, 24)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(24), atol=1e-5)
    turned = transform.apply(x)
    projected = turned @ rotation  # before ITQ's rotation: PCA alone
    assert np.abs(projected.mean(0)).max() < 0.02  # centred

    def error(v: np.ndarray) -> float:
        v = v * np.sqrt(v.size) / np.linalg.norm(v)
        return float(((np.sign(v) - v) ** 2).mean())

    assert error(turned) < 0.95 * error(projected)


@pytest.mark.parametrize("name", ["itq", "lsh", "sh"])
def test_bits_are_signs_in_the_same_order_for_all_coders(name: str) -> None:
    x = unit(300)
    index = build(f"{name}:24", x)
    assert index.codes(range(300)).shape == (300, 3) and index.bits == 24
    np.testing.assert_array_equal(index.encode(x[7:9]), index.codes([7, 8]))


def test_codes_find_the_neighbours_of_exact_search() -> None:
    x = unit(2000)
    exact = np.argsort(-x[:40] @ x.T, axis=1)[:, :10]
    for name in CODERS:
        rankings = build(name, x).search(x[:40], 100)
        recall = np.mean(
            [
                np.isin(neighbours, ranking.rows).mean()
                for neighbours, ranking in zip(exact, rankings, strict=True)
            ]
        )
        assert recall > 0.7, name  # chance: 0.05


# The index


@pytest.mark.parametrize("name", CODERS)
def test_scores_are_distances_of_codes_and_bytes_their_size(name: str) -> None:
    x = unit(400)
    index = build(name, x)
    (ranking,) = index.search(x[5:6])
    assert sorted(ranking.rows.tolist()) == list(range(400))
    assert ranking.rows.dtype == np.int64 and ranking.scores.dtype == np.float32
    assert (np.diff(ranking.scores) <= 0).all()
    differing = np.bitwise_count(index.codes(ranking.rows) ^ index.encode(x[5:6])).sum(1)
    if name == "sh:32":
        shared = np.bitwise_count(index.codes(ranking.rows) & index.encode(x[5:6])).sum(1)
        np.testing.assert_allclose(-ranking.scores, differing / (shared + 0.1), rtol=1e-6)
    else:
        np.testing.assert_allclose(ranking.scores, 1 - differing / 32, rtol=1e-6)
    assert (index.name, index.size, index.bytes) == (name, 400, 4)
    assert index.shared_bytes > 0


@pytest.mark.parametrize("code", CODERS)
@pytest.mark.parametrize("cells", ["ivf:16:{}", "imi:2:{}"])
def test_inverted_index_with_all_cells_probed_is_exhaustive_search(code: str, cells: str) -> None:
    x = unit(500)
    plain, inverted = build(code, x), build(f"{cells.format(16)},{code}", x)
    for k in (None, 20):
        same(inverted.search(x[:40], k), plain.search(x[:40], k))
    np.testing.assert_array_equal(inverted.codes([3, 99, 3]), plain.codes([3, 99, 3]))
    assert inverted.bytes == plain.bytes + 4 and inverted.shared_bytes > plain.shared_bytes


@pytest.mark.parametrize("cells", ["ivf:16:3", "imi:2:3"])
def test_only_probed_cells_are_searched(cells: str) -> None:
    x = unit(500)
    plain, inverted = build("sh:32", x), build(f"{cells},sh:32", x)
    assert inverted.cells is not None
    cell, probed = inverted.cells.assign(x), inverted.cells.probe(x[:40], 3)
    for full, ranking, nearest in zip(plain.search(x[:40]), inverted.search(x[:40]), probed, strict=True):
        np.testing.assert_array_equal(ranking.rows, full.rows[np.isin(cell[full.rows], nearest)])
        assert 0 < len(ranking.rows) < 500
    same(inverted.search(x[:40], 5), [Ranking(f.rows[:5], f.scores[:5]) for f in inverted.search(x[:40])])
    probing = inverted.probing(16)
    same(probing.search(x[:3]), plain.search(x[:3]))


def test_all_cells_are_searched_if_all_probed_cells_are_empty() -> None:
    x = np.concatenate([unit(60)[:20]] * 3)
    inverted = build("imi:4:1,lsh:32", x)  # 256 cells of at most 20 different vectors
    queries = unit(200, seed=8)
    assert inverted.cells is not None and inverted.starts is not None
    sizes = np.diff(inverted.starts)[inverted.cells.probe(queries, 1)[:, 0]]
    assert (sizes == 0).any() and (sizes > 0).any()
    for ranking, size in zip(inverted.search(queries), sizes, strict=True):
        assert len(ranking.rows) == (size or len(x))


@pytest.mark.parametrize("name", [*CODERS, "ivf:8:2,sh:32"])
def test_index_from_state_is_the_same(name: str) -> None:
    x = unit(300)
    index = build(name, x)
    state = index.state()
    for array in state.values():
        array.flags.writeable = False  # read-only, like arrays from files
    restored = CodeIndex.from_state(steps(name), state)
    same(restored.search(x[:5]), index.search(x[:5]))
    assert (restored.name, restored.bytes, restored.shared_bytes) == (
        index.name,
        index.bytes,
        index.shared_bytes,
    )
    assert restored.note == index.note


@pytest.mark.parametrize("name", [*CODERS, "ivf:8:2,lsh:32"])
def test_equal_seeds_give_equal_codes(name: str) -> None:
    x = unit(300)
    codes, repeated, other = (build(name, x, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(codes.packed, repeated.packed)
    assert (codes.packed != other.packed).any()


def test_memory_map_gives_the_same_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = unit(700)
    np.save(f"{tmp_path}/x.npy", x)
    in_memory = build("ivf:8:2,lsh:32", x)
    monkeypatch.setattr(kmeans, "_CHUNK", 200)
    mapped = build("ivf:8:2,lsh:32", np.load(f"{tmp_path}/x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(in_memory.packed, mapped.packed)


# Degenerate and invalid input


@pytest.mark.parametrize("name", ["lsh:32", "sh:32", "ivf:1:1,sh:32", "ivf:1:1,lsh:256"])
def test_single_image_is_found(name: str) -> None:
    x = unit(1)
    (ranking,) = build(name, x).search(x, 5)
    assert ranking.rows.tolist() == [0] and np.isfinite(ranking.scores).all()


@pytest.mark.parametrize("name", [*CODERS, "ivf:4:1,sh:32", "imi:1:1,itq:32"])
def test_duplicates_are_ranked_by_row(name: str) -> None:
    x = np.repeat(unit(1), 60, 0)
    for k in (None, 7):
        (ranking,) = build(name, x).search(x[:1], k)
        assert ranking.rows.tolist() == list(range(k or 60))
        assert np.isfinite(ranking.scores).all() and len(set(ranking.scores.tolist())) == 1


@pytest.mark.parametrize("name", CODERS)
def test_vectors_with_nan_are_rejected(name: str) -> None:
    x = unit(100)
    x[7, 3] = np.nan
    with pytest.raises(WorkbenchError, match="vector 7 is not finite"):
        build(name, x)


@pytest.mark.parametrize(
    ("name", "count", "dimensions", "message"),
    [
        ("itq:64", 500, 48, r"48 dimensions.*valid: itq:48 or fewer"),
        ("itq:8", 500, 4, r"4 dimensions.*valid: lsh:8, sh:8$"),
        ("itq:48", 40, 48, r"there are 40; valid: itq:40 or fewer"),
        ("ivf:8:2,itq:64", 500, 48, "48 dimensions"),
        ("ivf:64:8,lsh:32", 50, 48, "64 centroids"),
    ],
)
def test_invalid_index_is_rejected_before_training(
    name: str, count: int, dimensions: int, message: str
) -> None:
    def trained(stage: str, done: int, total: int) -> None:
        raise AssertionError(f"{stage} before the check")

    with pytest.raises(WorkbenchError, match=message):
        faiss_index.build(steps(name), unit(count, dimensions), progress=trained)


@pytest.mark.parametrize("name", [*CODERS, "ivf:8:2,sh:32", "imi:2:2,lsh:32"])
def test_non_finite_query_has_a_finite_ranking(name: str) -> None:
    queries = unit(3)
    queries[1] = np.nan
    for ranking in build(name, unit(100)).search(queries):
        assert len(ranking.rows) and np.isfinite(ranking.scores).all()


def test_spheres_can_be_fitted_to_fewer_vectors_than_bits() -> None:
    x = unit(20)
    index = build("sh:64", x)
    assert "overlap unevenly" in index.note
    assert [ranking.rows[0] for ranking in index.search(x, 1)] == list(range(20))
