"""Agreement of the neighbours of two pipelines, against values computed by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis.embedding_comparison import EmbeddingComparison, compare_embeddings, shared
from workbench.analysis.map_method import MapMethod
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError

PIPELINE, OTHER = "efficientnet_lite0/mean/whole", "efficientnet_lite0/max/whole"


@dataclass
class Options:
    cache: Path
    seed: int = 0


@dataclass
class Images:
    images: tuple[str, ...]
    name: str = "test"


@dataclass
class Described:
    """What a comparison reads of a described collection: unit vectors in the plane at these angles."""

    config: str
    angles: list[float]
    cache: Path
    names: str = ""
    source: Any = field(init=False)

    def __post_init__(self) -> None:
        self.source = type("Source", (), {"options": Options(self.cache)})

    @property
    def collection(self) -> Images:
        return Images(tuple(self.names or "abcdefghij"[: len(self.angles)]))

    @property
    def database(self) -> torch.Tensor:
        angles = torch.tensor(self.angles, dtype=torch.float64).deg2rad()
        return torch.stack([angles.cos(), angles.sin()], 1).float()


def compared(tmp_path: Path, a: list[float], b: list[float], k: Any, names: str = "") -> EmbeddingComparison:
    first, second = Described("a", a, tmp_path), Described("b", b, tmp_path, names)
    return compare_embeddings(first, second, k, MapMethod("pca"))  # type: ignore[arg-type]


def test_agreement_of_five_images_by_hand(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [0, 1, 3, 10, 14], [0, 1, 10, 3, 14], 2)
    # The neighbours by angle; in the second, c and d have changed places.
    near_a = ["bc", "ac", "ba", "ec", "dc"]
    near_b = ["bd", "ad", "ed", "ba", "cd"]
    agreement = [1 / 2, 1 / 2, 0, 0, 1]
    assert comparison.k == 2
    assert comparison.agreement["image_id"].tolist() == list("abcde")
    assert comparison.agreement["agreement"].tolist() == agreement
    assert comparison.mean == pytest.approx(2 / 5)
    table = comparison.differing(3)
    assert table["image_id"].tolist() == ["c", "d", "a"]  # the least first, then in the collection's order
    assert table["agreement"].tolist() == [0, 0, 0.5]
    for image, *near in comparison.differing(None).drop(columns="agreement").to_numpy().tolist():
        number = "abcde".index(image)
        assert near == [tuple(near_a[number]), tuple(near_b[number])]


def test_image_is_no_neighbour_of_itself_and_duplicates_keep_the_order(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [0, 0, 0, 0, 90], [0, 0, 0, 0, 90], 2)
    assert comparison.mean == 1
    near = comparison.differing(None)["neighbours_a"].tolist()
    assert near == [("b", "c"), ("a", "c"), ("a", "b"), ("a", "b"), ("a", "b")]


def test_more_neighbours_than_images_and_no_other_image(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [0, 10, 50], [0, 50, 10], 10)
    assert (comparison.k, comparison.mean) == (2, 1)
    alone = compared(tmp_path, [0], [90], 10)
    assert alone.k == 0 and np.isnan(alone.mean)
    assert alone.figure().layout.annotations[0].text.startswith("There is one image")


def test_images_of_one_description_only_are_left_out(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [0, 1, 3], [3, 0, 90], 2, names="cax")
    assert comparison.agreement["image_id"].tolist() == ["a", "c"]
    assert comparison.map_a["image_id"].tolist() == comparison.map_b["image_id"].tolist() == ["a", "c"]
    assert comparison.mean == 1
    with pytest.raises(WorkbenchError, match=r"no image in common"):
        compared(tmp_path, [0, 1], [0, 1], 2, names="yz")


@pytest.mark.parametrize("k", [0, -1, 2.5, "ten", None])
def test_number_of_neighbours_is_checked(tmp_path: Path, k: Any) -> None:
    with pytest.raises(WorkbenchError, match=r"^k is "):
        compared(tmp_path, [0, 1], [0, 1], k)


@given(st.integers(1, 8), st.integers(0, 999))
def test_shared_neighbours_are_those_of_sets(k: int, seed: int) -> None:
    noise = np.random.default_rng(seed)
    first, second = (np.stack([noise.permutation(12)[:k] for _ in range(5)]) for _ in range(2))
    expected = [len(set(a) & set(b)) / k for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    np.testing.assert_allclose(shared(first, second), expected)


def test_two_pipelines_of_a_bench_are_compared(bench24: Bench) -> None:
    comparison = bench24.studies.compare_embeddings(PIPELINE, OTHER, k=5, method="pca")
    images = list(bench24.collection.images)
    assert (comparison.a, comparison.b) == (PIPELINE, OTHER)
    for made, pipeline in ((comparison.map_a, PIPELINE), (comparison.map_b, OTHER)):
        assert made["image_id"].tolist() == images
        assert made.attrs == bench24.studies.embedding(pipeline, method="pca").attrs
    # Searching with an image of the collection returns its neighbours, the image itself left out.
    for image, *both in comparison.differing(3).drop(columns="agreement").to_numpy().tolist():
        for pipeline, near in zip((PIPELINE, OTHER), both, strict=True):
            ranked = bench24.search(image, pipeline=pipeline, k=6)["image_id"]
            assert set(near) == set(ranked[ranked != image][:5])
    itself = bench24.studies.compare_embeddings(PIPELINE, PIPELINE, k=5, method="pca")
    assert itself.mean == 1
