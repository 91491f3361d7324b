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


def groups(count: int, size: int, seed: int = 0) -> np.ndarray:
    """``count`` tight groups of ``size`` unit vectors each, in order [count * size, 16]."""
    noise = np.random.default_rng(seed)
    centres = np.repeat(noise.normal(size=(count, 16)), size, axis=0)
    return unit(centres + 0.05 * noise.normal(size=centres.shape))


def test_a_layout_depends_on_the_seed_only() -> None:
    vectors = groups(4, 15)
    first = layout(vectors, seed=3)
    assert first.shape == (60, 2)
    assert np.array_equal(first, layout(vectors, seed=3))
    assert not np.array_equal(first, layout(vectors, seed=4))


def test_a_layout_keeps_groups_together_and_has_its_largest_variance_along_x() -> None:
    positions = layout(groups(4, 15)).reshape(4, 15, 2)
    centres = positions.mean(1)
    within = np.linalg.norm(positions - centres[:, None], axis=2).max()
    between = [np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]]
    assert within < min(between)
    variance = positions.reshape(-1, 2).var(0)
    assert variance[0] >= variance[1]


@pytest.mark.parametrize("count", [1, 2, MIN_IMAGES - 1, MIN_IMAGES, MIN_IMAGES + 1])
def test_few_images_and_duplicates_have_a_finite_layout(count: int) -> None:
    different = unit(np.random.default_rng(1).normal(size=(count, 6)))
    for vectors in (different, np.repeat(different[:1], count, axis=0)):
        positions = layout(vectors)
        assert positions.shape == (count, 2)
        assert np.isfinite(positions).all()


def test_few_images_keep_their_distances() -> None:
    triangle = unit(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]]))
    positions = layout(triangle)
    sides = [np.linalg.norm(positions[a] - positions[b]) for a, b in ((0, 1), (1, 2), (0, 2))]
    np.testing.assert_allclose(sides, np.sqrt(2), atol=1e-6)


def test_clusters_are_numbered_by_decreasing_size() -> None:
    vectors = np.concatenate([groups(2, 6, seed=5)[:9], unit(-groups(1, 1, seed=9))])
    labels = clusters(vectors)  # ten vectors: two clusters
    assert set(labels) == {1, 2}
    assert np.bincount(labels)[1] >= np.bincount(labels)[2]
    assert np.array_equal(labels, clusters(vectors))
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


def test_a_map_is_cached_and_a_damaged_file_is_replaced(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    assert bench.studies.embedding(PIPELINE, known_only=True).empty
    embedding = bench.studies.embedding(PIPELINE)
    assert list(embedding.columns) == ["image_id", "x", "y", "cluster"]
    assert list(embedding["image_id"]) == list(bench.collection.images)
    pd.testing.assert_frame_equal(bench.studies.embedding(PIPELINE, known_only=True), embedding)
    (path,) = (tmp_path / "embeddings").iterdir()
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"no parquet at all"):
        path.write_bytes(damaged)
        assert bench.studies.embedding(PIPELINE, known_only=True).empty
        pd.testing.assert_frame_equal(bench.studies.embedding(PIPELINE), embedding)
        assert path.read_bytes() == content
    assert list((tmp_path / "embeddings").iterdir()) == [path]  # no partial file remains


def test_each_seed_has_its_own_cached_map(folder: Path, tmp_path: Path) -> None:
    first = workbench.open(folder, cache=tmp_path).studies.embedding(PIPELINE)
    second = workbench.open(folder, cache=tmp_path, seed=1).studies.embedding(PIPELINE)
    assert not np.array_equal(first[["x", "y"]], second[["x", "y"]])
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def test_a_map_is_computed_when_the_cache_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    (tmp_path / "embeddings").write_text("a file where a folder should be")
    assert len(bench.studies.embedding(PIPELINE)) == 12


def test_the_computation_of_a_map_can_be_cancelled(folder: Path, tmp_path: Path) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    labels: list[str] = []

    def stop(label: str, done: int, total: int) -> None:
        labels.append(label)
        if label == "laying out the map":
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.studies.embedding(PIPELINE, progress=stop)
    assert "finding neighbours" in labels

    def refuse_to_wait(label: str, done: int, total: int) -> None:
        assert label != "waiting for another map"

    assert len(bench.studies.embedding(PIPELINE, progress=refuse_to_wait)) == 12
