"""The default pipeline depends on the collection, and every result carries the warnings of its pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from workbench.bench.bench import Bench
from workbench.collections.protocols import PROTOCOLS
from workbench.engine.default_pipeline import FEW_IMAGES, default_pipeline

MAXIMA = "efficientnet_lite0/max/rmac:3"


@pytest.mark.parametrize("protocol", [None, PROTOCOLS["labels"]])
@pytest.mark.parametrize(
    ("images", "pipeline", "alternative"),
    [
        (1, MAXIMA, f"{MAXIMA}/pcaw:256:0.25"),
        (FEW_IMAGES - 1, MAXIMA, f"{MAXIMA}/pcaw:256:0.25"),
        (FEW_IMAGES, f"{MAXIMA}/pcaw:256:0.25", MAXIMA),
    ],
)
def test_photos_of_ones_own_get_the_safest_pipeline(
    bench24: Bench, protocol: object, images: int, pipeline: str, alternative: str
) -> None:
    names = tuple(f"{n}.jpg" for n in range(images))
    collection = replace(bench24.collection, images=names, protocol=protocol)  # type: ignore[arg-type]
    default = default_pipeline(collection)
    assert (default.pipeline, default.alternative) == (pipeline, alternative)


def test_benchmarks_keep_whole_whitening(posters: Bench) -> None:
    assert posters.default_pipeline == f"{MAXIMA}/pcaw:256"


def test_every_result_carries_the_warnings_of_its_pipeline(bench24: Bench) -> None:
    backbone = "timm:test_resnet@random"
    pipeline, image = f"{backbone}/max/rmac:2/pcaw:8", bench24.collection.images[0]
    expected = bench24.evaluate(pipeline).warnings
    assert any("random weights" in warning for warning in expected)
    assert any("pcaw was fitted on 24 images" in warning for warning in expected)
    assert bench24.search(image, pipeline=pipeline).attrs["warnings"] == expected
    assert list(bench24.explain(image, bench24.collection.images[1], pipeline=pipeline).warnings) == expected
    for results in (
        bench24.classify(image, pipeline=f"{backbone}/max/rmac:2/pca:8"),
        bench24.regions.rank(image, pipeline=f"{backbone}/max/rmac:2/pca:8"),
    ):
        assert any("random weights" in warning for warning in results.attrs["warnings"])


def test_weak_whitening_of_few_images_is_not_warned_about(bench24: Bench) -> None:
    pipeline = "timm:test_resnet@random/max/rmac:2/pcaw:8:0.25"
    assert not any("24 images" in warning for warning in bench24.evaluate(pipeline).warnings)


def test_eight_photos_of_two_places_are_told_apart(shared: Path, tmp_path: Path) -> None:
    """With full whitening every other image had the same score of -1/7."""
    places = [sorted((shared / "datasets/scenes" / name).glob("*.jpg"))[:4] for name in ("et", "kermit")]
    if not all(places):
        pytest.skip("needs ../shared/datasets/scenes")
    for place in places:
        for path in place:
            (tmp_path / f"{path.parent.name}-{path.name}").symlink_to(path)
    bench = wb.open(tmp_path, cache=tmp_path / "cache", size=256)
    for query in bench.collection.images:
        ranking = bench.search(query)
        name = query.partition("-")[0]
        assert [image.startswith(name) for image in ranking["image_id"]] == [True] * 4 + [False] * 4
        assert ranking["score"].is_monotonic_decreasing and ranking["score"].nunique() == 8


def test_default_on_few_classes_is_no_worse_than_without_whitening(shared: Path, tmp_path: Path) -> None:
    if not (shared / "datasets/scenes").is_dir():
        pytest.skip("needs ../shared/datasets/scenes")
    bench = wb.open(shared / "datasets/scenes", "folders", cache=tmp_path, size=256)
    plain = bench.evaluate(MAXIMA).mean_ap
    assert bench.evaluate().mean_ap >= plain - 0.005
    assert bench.evaluate(bench.engine.default.alternative).mean_ap >= plain - 0.01
    whole = bench.evaluate(f"{MAXIMA}/pcaw:256")
    assert whole.mean_ap < plain - 0.2
    assert any("188 images of 10 classes: so few can lose far more" in text for text in whole.warnings)
