"""Spherical hashing: the balance and independence of Heo et al., CVPR 2012, and unbalanced data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.benches import described
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.search import spherical_hashing


def mixture(count: int, dimensions: int = 64, clusters: int = 40, seed: int = 0) -> np.ndarray:
    """Return unit vectors in clusters, float32 [count, dimensions]; clusters do not depend on the count."""
    centres = np.random.default_rng(99).standard_normal((clusters, dimensions))
    generator = np.random.default_rng(seed)
    x = centres[generator.integers(0, clusters, count)]
    x = x + 0.5 * generator.standard_normal((count, dimensions))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def unpacked(codes: np.ndarray) -> np.ndarray:
    return np.unpackbits(codes, axis=1, bitorder="little").astype(np.int64)


@pytest.mark.parametrize("bits", [16, 64])
def test_spheres_are_balanced_and_independent(bits: int) -> None:
    x = mixture(4000)
    spheres = spherical_hashing.fit(x, bits)
    assert spheres.iterations > 0 and not spheres.warning
    inside = unpacked(spheres.encode(x))
    # The median halves 4,000 vectors, except for those that rounding leaves exactly on the sphere.
    np.testing.assert_allclose(inside.sum(0), 2000, atol=2)
    pairs = np.triu_indices(bits, 1)
    shared = (inside.T @ inside)[pairs]
    assert np.abs(shared - 1000).mean() <= 0.10 * 1000 + 2
    assert shared.std() <= 0.15 * 1000 + 2
    assert spheres.balance == pytest.approx(np.abs(shared / 1000 - 1).mean(), abs=0.002)
    assert spheres.spread == pytest.approx((shared / 1000).std(), abs=0.002)


def test_spheres_of_the_embedded_collection_are_balanced(posters: Bench) -> None:
    x = np.ascontiguousarray(described(posters, "efficientnet_lite0/mean/whole").database.numpy())
    spheres = spherical_hashing.fit(x, 64)
    assert spheres.iterations > 0 and not spheres.warning
    inside = unpacked(spheres.encode(x))
    assert (
        np.abs(inside.sum(0) - len(x) / 2).max() <= 2
    )  # half of them, whichever way the middle one is rounded
    shared = (inside.T @ inside)[np.triu_indices(64, 1)] / (len(x) / 4)
    assert np.abs(shared - 1).mean() <= 0.102 and shared.std() <= 0.152


def test_spheres_are_balanced_on_other_vectors() -> None:
    spheres = spherical_hashing.fit(mixture(10_000), 32)
    share = unpacked(spheres.encode(mixture(10_000, seed=1))).mean(0)
    # Two samples of 10,000, for median and share: five standard deviations of sqrt(2 * 0.25 / 10,000).
    assert np.abs(share - 0.5).max() < 5 * np.sqrt(0.5 / 10_000)


def test_bit_is_set_for_vectors_inside_the_sphere() -> None:
    x = mixture(500, 16)
    spheres = spherical_hashing.fit(x, 16)
    distances = np.linalg.norm(x[:, None].astype(float) - spheres.pivots[None], axis=2)
    clear = np.abs(distances - spheres.radii) > 1e-4
    assert clear.mean() > 0.95
    assert (unpacked(spheres.encode(x)) == (distances <= spheres.radii))[clear].all()


def test_iterations_make_spheres_more_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    x = mixture(2000, clusters=5)
    fitted = spherical_hashing.fit(x, 32)
    monkeypatch.setattr(spherical_hashing, "ROUNDS", 0)
    start = spherical_hashing.fit(x, 32)
    assert start.iterations == 0 and fitted.balance < 0.5 * start.balance


def test_distances_to_a_sphere_match_values_by_hand() -> None:
    x = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    spheres = spherical_hashing.Spheres(
        np.tile(x[:1], (8, 1)), np.linspace(0, 2.1, 8, dtype=np.float32), 0, 0, 0
    )
    # Radii 0, .3, .6, .9, 1.2, 1.5, 1.8, 2.1 around (1, 0); the vectors are 0, sqrt 2, 2 and sqrt 2 away.
    assert spheres.encode(x)[:, 0].tolist() == [0b11111111, 0b11100000, 0b10000000, 0b11100000]


def test_equal_seeds_give_equal_codes() -> None:
    x = mixture(600)
    codes, repeated, other = (spherical_hashing.fit(x, 32, seed).encode(x) for seed in (3, 3, 4))
    np.testing.assert_array_equal(codes, repeated)
    assert (codes != other).any()


def test_memory_map_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spherical_hashing, "SAMPLE", 300)
    x = mixture(1000)
    np.save(f"{tmp_path}/x.npy", x)
    mapped = spherical_hashing.fit(np.load(f"{tmp_path}/x.npy", mmap_mode="r"), 16, seed=1)
    np.testing.assert_array_equal(mapped.pivots, spherical_hashing.fit(x, 16, seed=1).pivots)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
def test_too_few_vectors_are_encoded_with_a_warning(count: int) -> None:
    x = mixture(count, 8)
    spheres = spherical_hashing.fit(x, 64)
    assert np.isfinite(spheres.pivots).all() and np.isfinite(spheres.radii).all()
    assert "overlap unevenly" in spheres.warning
    assert spheres.encode(x).shape == (count, 8)


def test_duplicates_are_inside_all_spheres() -> None:
    x = np.repeat(mixture(1), 50, 0)
    spheres = spherical_hashing.fit(x, 32)
    assert spheres.warning and spheres.radii.max() < 1e-3
    assert (spheres.encode(x) == 255).all() and (spheres.encode(x[:1]) == 255).all()


@pytest.mark.parametrize("bits", [0, 4, 12])
def test_bits_must_be_whole_bytes(bits: int) -> None:
    with pytest.raises(WorkbenchError, match="multiples of 8"):
        spherical_hashing.fit(mixture(20), bits)


def test_empty_input_is_rejected() -> None:
    with pytest.raises(WorkbenchError, match="there are none"):
        spherical_hashing.fit(np.empty((0, 4), np.float32), 8)


def test_fitting_can_be_stopped() -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        spherical_hashing.fit(mixture(500), 64, progress=stop)
