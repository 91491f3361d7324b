"""Embedding maps: exact neighbours, the same layout on every call, stored on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench
from workbench.analysis.embedding_map import MAX_CLUSTERS, MIN_IMAGES, clusters, layout
from workbench.common.progress import Cancelled

PIPELINE = "efficientnet_lite0/mean/whole"


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def groups(count: int, each: int, seed: int = 0) -> np.ndarray:
    """Unit vectors in tight groups, one after the other."""
    noise = np.random.default_rng(seed)
    centres = np.repeat(noise.normal(size=(count, 16)), each, axis=0)
    return unit(centres + 0.05 * noise.normal(size=centres.shape))


def test_a_layout_is_the_same_twice_and_another_seed_makes_another() -> None:
    vectors = groups(4, 15)
    first = layout(vectors, seed=3)
    assert first.shape == (60, 2)
    assert np.array_equal(first, layout(vectors, seed=3))
    assert not np.array_equal(first, layout(vectors, seed=4))


def test_what_is_near_lies_near_and_the_longest_extent_along_x() -> None:
    placed = layout(groups(4, 15)).reshape(4, 15, 2)
    centres = placed.mean(1)
    within = np.linalg.norm(placed - centres[:, None], axis=2).max()
    between = [np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]]
    assert within < min(between)
    variance = placed.reshape(-1, 2).var(0)
    assert variance[0] >= variance[1]


@pytest.mark.parametrize("count", [1, 2, MIN_IMAGES - 1, MIN_IMAGES, MIN_IMAGES + 1])
def test_few_images_have_a_layout_and_duplicates_too(count: int) -> None:
    different = unit(np.random.default_rng(1).normal(size=(count, 6)))
    for vectors in (different, np.repeat(different[:1], count, axis=0)):
        placed = layout(vectors)
        assert placed.shape == (count, 2)
        assert np.isfinite(placed).all()


def test_few_images_keep_their_distances() -> None:
    triangle = unit(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]]))
    placed = layout(triangle)
    sides = [np.linalg.norm(placed[a] - placed[b]) for a, b in ((0, 1), (1, 2), (0, 2))]
    np.testing.assert_allclose(sides, np.sqrt(2), atol=1e-6)


def test_clusters_are_the_groups_the_largest_first() -> None:
    vectors = np.concatenate([groups(2, 6, seed=5)[:9], unit(-groups(1, 1, seed=9))])
    found = clusters(vectors)  # ten vectors: two clusters
    assert set(found) == {1, 2}
    assert np.bincount(found)[1] >= np.bincount(found)[2]
    assert np.array_equal(found, clusters(vectors))
    assert clusters(groups(20, 10)).max() == MAX_CLUSTERS
    assert set(clusters(np.repeat(vectors[:1], 30, axis=0))) == {1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    for number in range(12):
        pixels = noise.integers(0, 255, (3 + number % 4, 4, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((96, 72)).save(root / f"{number:02}.jpg")
    return root


def test_a_map_is_kept_and_a_broken_file_made_again(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    assert bench.studies.embedding(PIPELINE, known_only=True).empty
    made = bench.studies.embedding(PIPELINE)
    assert list(made.columns) == ["image_id", "x", "y", "cluster"]
    assert list(made["image_id"]) == list(bench.collection.images)
    pd.testing.assert_frame_equal(bench.studies.embedding(PIPELINE, known_only=True), made)
    (kept,) = (tmp_path / "embeddings").iterdir()
    whole = kept.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"no parquet at all"):
        kept.write_bytes(broken)
        assert bench.studies.embedding(PIPELINE, known_only=True).empty
        pd.testing.assert_frame_equal(bench.studies.embedding(PIPELINE), made)
        assert kept.read_bytes() == whole
    assert list((tmp_path / "embeddings").iterdir()) == [kept]  # and nothing half-written


def test_another_seed_another_map(folder: Path, tmp_path: Path) -> None:
    one = workbench.open(folder, cache=tmp_path).studies.embedding(PIPELINE)
    other = workbench.open(folder, cache=tmp_path, seed=1).studies.embedding(PIPELINE)
    assert not np.array_equal(one[["x", "y"]], other[["x", "y"]])
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def test_a_cache_that_cannot_be_written_costs_no_map(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    (tmp_path / "embeddings").write_text("a file where a folder should be")
    assert len(bench.studies.embedding(PIPELINE)) == 12


def test_making_a_map_can_be_stopped(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    heard: list[str] = []

    def stop(what: str, done: int, total: int) -> None:
        heard.append(what)
        if what == "laying out the map":
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.studies.embedding(PIPELINE, progress=stop)
    assert "finding neighbours" in heard

    def refuse_to_wait(what: str, done: int, total: int) -> None:
        assert what != "waiting for another map"

    assert len(bench.studies.embedding(PIPELINE, progress=refuse_to_wait)) == 12
