"""Embedding maps: exact neighbours, the same layout on every call, stored on disk."""

from __future__ import annotations

import json
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import workbench
from tests.support.benches import described
from workbench.analysis.embedding_map import MAX_CLUSTERS, clusters, embedding_map
from workbench.analysis.map_layout import layout
from workbench.analysis.map_method import METHODS, MIN_IMAGES, MapMethod
from workbench.analysis.principal_axes import principal
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError

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
    first = layout(vectors, seed=3).positions
    assert first.shape == (60, 2)
    assert np.array_equal(first, layout(vectors, seed=3).positions)
    assert not np.array_equal(first, layout(vectors, seed=4).positions)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_layout_keeps_groups_together_and_has_its_largest_variance_along_x(
    name: str, dimensions: int
) -> None:
    made = layout(groups(4, 15), method=MapMethod(name, dimensions, perplexity=8))
    positions = made.positions.reshape(4, 15, dimensions)
    centres = positions.mean(1)
    within = np.linalg.norm(positions - centres[:, None], axis=2).max()
    between = [np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]]
    assert within < min(between)
    variance = made.positions.var(0)
    assert (np.diff(variance) <= 0).all()
    assert (made.details["method"], made.details["dimensions"]) == (name, dimensions)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("count", [1, 2, MIN_IMAGES - 1, MIN_IMAGES, MIN_IMAGES + 1])
def test_few_images_and_duplicates_have_a_finite_layout(count: int, dimensions: int, name: str) -> None:
    different = unit(np.random.default_rng(1).normal(size=(count, 6)))
    for vectors in (different, np.repeat(different[:1], count, axis=0)):
        positions = layout(vectors, method=MapMethod(name, dimensions)).positions
        assert positions.shape == (count, dimensions)
        assert np.isfinite(positions).all()


def test_few_images_keep_their_distances() -> None:
    triangle = unit(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]]))
    made = layout(triangle)
    positions = made.positions
    sides = [np.linalg.norm(positions[a] - positions[b]) for a, b in ((0, 1), (1, 2), (0, 2))]
    np.testing.assert_allclose(sides, np.sqrt(2), atol=1e-6)
    # An equilateral triangle has the same variance along both axes, and none along a third.
    assert made.details["method"] == "pca"
    np.testing.assert_allclose(made.details["explained_variance"], [0.5, 0.5], atol=1e-6)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 3]), st.integers(0, 999))
def test_principal_axes_are_those_of_the_singular_values(
    count: int, width: int, dimensions: int, seed: int
) -> None:
    """Both the matrix of fewer points than numbers, and that of more."""
    points = np.random.default_rng(seed).normal(size=(count, width))
    positions, shares = principal(points, dimensions)
    centred = points - points.mean(0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    taken = min(dimensions, len(values))
    expected = np.zeros((count, dimensions))
    expected[:, :taken] = centred @ axes[:taken].T
    np.testing.assert_allclose(np.abs(positions), np.abs(expected), atol=1e-4)
    total = (values**2).sum()
    if total > 1e-12:
        np.testing.assert_allclose(shares[:taken], (values**2 / total)[:taken], atol=1e-8)
    assert (positions.max(0) >= -positions.min(0) - 1e-5).all()  # the largest is positive


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "mds"}, "no map method 'mds'; valid methods are umap, pca, tsne"),
        ({"dimensions": 4}, "dimensions is 4; a map has 2 or 3"),
        ({"dimensions": [2]}, "dimensions is [2]; a map has 2 or 3"),
        ({"method": ["pca"]}, "no map method ['pca']; valid methods are umap, pca, tsne"),
        ({"neighbours": 1}, "neighbours is 1; it is a whole number from 2 to 200"),
        ({"neighbours": 2.5}, "neighbours is 2.5; it is a whole number from 2 to 200"),
        ({"min_distance": 1.5}, "min_distance is 1.5; it is a number from 0 to 1"),
        ({"min_distance": float("nan")}, "min_distance is nan; it is a number from 0 to 1"),
        ({"perplexity": "many"}, "perplexity is 'many'; it is a number from 1 to 200"),
    ],
)
def test_an_unknown_method_and_invalid_parameters_say_what_is_valid(
    bench24: Bench, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkbenchError) as error:
        bench24.studies.embedding(PIPELINE, **arguments)
    assert str(error.value) == said


def test_parameters_are_limited_by_the_number_of_images() -> None:
    assert MapMethod("umap", neighbours=15).used(9) == ("umap", {"neighbours": 8, "min_distance": 0.1})
    assert MapMethod("tsne").used(10) == ("tsne", {"perplexity": 3})
    assert MapMethod("tsne").used(MIN_IMAGES - 1) == ("pca", {})


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


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "pca"},
        {"method": "pca", "dimensions": 3},
        {"method": "tsne", "perplexity": 3},
        {"neighbours": 5},
        {"min_distance": 0.5, "dimensions": 3},
    ],
)
def test_each_method_and_parameter_has_its_own_cached_map(
    folder: Path, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    bench = workbench.open(folder, cache=tmp_path)
    first = bench.studies.embedding(PIPELINE)
    assert bench.studies.embedding(PIPELINE, known_only=True, **arguments).empty
    made = bench.studies.embedding(PIPELINE, **arguments)
    dimensions = arguments.get("dimensions", 2)
    assert list(made.columns) == ["image_id", *"xyz"[:dimensions], "cluster"]
    assert len(list((tmp_path / "embeddings").iterdir())) == 2
    stored = bench.studies.embedding(PIPELINE, known_only=True, **arguments)
    pd.testing.assert_frame_equal(stored, made)
    assert stored.attrs == made.attrs
    assert made.attrs["pipeline"] == PIPELINE and made.attrs["dimensions"] == dimensions
    assert ("explained_variance" in made.attrs) == (made.attrs["method"] == "pca")
    pd.testing.assert_series_equal(made["cluster"], first["cluster"])  # of the descriptors, not of the map
    kept = {"perplexity", "neighbours", "min_distance"} & set(arguments)
    assert {name: made.attrs["parameters"][name] for name in kept} == {n: arguments[n] for n in kept}


def test_a_map_saved_by_an_earlier_version_is_opened(folder: Path, tmp_path: Path) -> None:
    """Version 1 knew UMAP in the plane with one set of parameters, and wrote no attributes."""
    bench = workbench.open(folder, cache=tmp_path)
    ready = described(bench, PIPELINE)
    vectors = np.ascontiguousarray(ready.database.numpy(), np.float32)
    images = list(bench.collection.images)
    settings = [1, 15, 0.1, 12, 0, version("umap-learn"), vectors.shape, images]
    digest = blake2b(json.dumps(settings).encode(), digest_size=16)
    digest.update(vectors.data)
    saved = pd.DataFrame({"image_id": images, "x": np.arange(12.0), "y": 1.0, "cluster": 1})
    (tmp_path / "embeddings").mkdir()
    path = tmp_path / "embeddings" / f"{digest.hexdigest()}.parquet"
    saved.to_parquet(path, index=False, write_page_checksum=True)
    opened = embedding_map(ready)
    pd.testing.assert_frame_equal(pd.DataFrame(opened), saved)
    assert opened.attrs["parameters"] == {"neighbours": 11, "min_distance": 0.1}


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
