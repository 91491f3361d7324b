"""Nearest regions equal those of a plain loop over all regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.benches import described, opened
from tests.support.pictures import picture
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.descriptors.aggregation import pool_regions
from workbench.engine import region_search

PIPELINES = [
    "efficientnet_lite0/max/rmac:2/pcaw:16/power:0.3",
    "efficientnet_lite0/mean/grid:2x2/centre",
    "efficientnet_lite0/gem:3/rmac+:1/power:0.5/pca:8",
    "efficientnet_lite0/mean/whole/pcaw:12",
]


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


def regions_of(bench: Bench, image: str, pipeline: str) -> tuple[np.ndarray, torch.Tensor]:
    """Boxes and vectors of the regions of an image, for pipelines with at most one whitening."""
    config = Config.parse(pipeline)
    prepared = described(bench, pipeline)
    maps = prepared.maps(prepared.image_rows()[image])[0]
    pools = pool_regions(maps, config)
    whitening = next((w for w in (*prepared.descriptors.regional, *prepared.descriptors.final) if w), None)
    vectors = []
    for vector in pools.vectors[0]:
        for step in config.vector_steps:
            if step.name == "power":
                vector = vector.sign() * vector.abs() ** step.args[0]
            else:
                assert whitening is not None
                vector = whitening.projection @ (vector - whitening.mean)
            vector = vector / vector.norm()
        vectors.append(vector)
    return pools.regions / np.array([*maps.shape[:1:-1]] * 2), torch.stack(vectors)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_nearest_regions_equal_those_of_a_plain_loop(bench: Bench, pipeline: str) -> None:
    image = bench.collection.images[5]
    boxes, vectors = regions_of(bench, image, pipeline)
    np.testing.assert_allclose(bench.studies.activations(image, pipeline=pipeline).regions, boxes)
    number = len(vectors) // 2
    expected = []
    for other in bench.collection.images:
        if other != image:
            other_boxes, other_vectors = regions_of(bench, other, pipeline)
            scores = [float(vectors[number] @ vector) for vector in other_vectors]
            best = int(np.argmax(scores))
            expected.append((scores[best], other, other_boxes[best]))
    expected.sort(key=lambda region: -region[0])
    nearest = bench.regions.nearest(image, number, pipeline=pipeline, k=10)
    assert list(nearest.columns) == ["rank", "image_id", "x0", "y0", "x1", "y1", "score"]
    assert nearest["rank"].to_list() == list(range(1, 11))
    assert nearest["image_id"].to_list() == [name for _, name, _ in expected[:10]]
    np.testing.assert_allclose(nearest["score"], [score for score, _, _ in expected[:10]], atol=1e-4)
    np.testing.assert_allclose(nearest[["x0", "y0", "x1", "y1"]], [box for _, _, box in expected[:10]])


def test_nearest_regions_of_one_region_pipelines_equal_the_search_results(bench: Bench) -> None:
    image, pipeline = bench.collection.images[2], PIPELINES[-1]
    nearest = bench.regions.nearest(image, 0, pipeline=pipeline, k=6)
    ranking = bench.search(image, pipeline=pipeline, k=None)
    others = ranking[ranking["image_id"] != image].head(6)
    assert nearest["image_id"].to_list() == others["image_id"].to_list()
    np.testing.assert_allclose(nearest["score"], others["score"], atol=1e-5)


def test_regions_that_exceed_the_cache_give_the_same_results(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, pipeline = bench.collection.images[0], PIPELINES[0]
    cached = bench.regions.nearest(image, 1, pipeline=pipeline)
    monkeypatch.setattr(region_search, "MAX_BYTES", 1000)
    labels: list[str] = []
    reopened = opened(bench.collection.root, bench.options.cache)
    for _ in range(2):
        repeated = reopened.regions.nearest(
            image, 1, pipeline=pipeline, progress=lambda label, *_: labels.append(label)
        )
        np.testing.assert_allclose(repeated["score"], cached["score"], atol=1e-5)
        assert repeated["image_id"].to_list() == cached["image_id"].to_list()
    assert labels.count("describing regions") >= 2


def test_a_picture_and_a_file_are_valid_queries(bench: Bench, tmp_path: Path) -> None:
    by_picture = bench.regions.nearest(picture(3, kind=3), 0, pipeline=PIPELINES[0])
    assert len(by_picture) == 12 and by_picture["score"].is_monotonic_decreasing
    image = bench.collection.images[4]
    by_file = bench.regions.nearest(bench.collection.path(image), 0, pipeline=PIPELINES[0], k=50)
    assert len(by_file) == len(bench.collection.images) - 1  # the query image is excluded by its path, too
    assert image not in set(by_file["image_id"])
    cropped = bench.regions.nearest(image, 0, pipeline=PIPELINES[0], box=(0, 0, 60, 60))
    assert image not in set(cropped["image_id"])


def test_invalid_input_is_refused_and_the_search_can_be_cancelled(bench: Bench) -> None:
    image = bench.collection.images[0]
    with pytest.raises(WorkbenchError, match="region 99 is not in this image"):
        bench.regions.nearest(image, 99, pipeline=PIPELINES[0])
    with pytest.raises(WorkbenchError, match="k is 0"):
        bench.regions.nearest(image, 0, pipeline=PIPELINES[0], k=0)

    def stop(label: str, done: int, total: int) -> None:
        if label == "describing regions":
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.regions.nearest(image, 0, pipeline="efficientnet_lite0/max/grid:2x2", progress=stop)


def test_activations_of_other_layers_and_contributions_to_any_score(bench: Bench) -> None:
    first, second = bench.collection.images[:2]
    deep = bench.studies.activations(first, pipeline=PIPELINES[0])
    early = bench.studies.activations(first, pipeline=PIPELINES[0], layer="block2")
    assert early.maps.shape[1] > deep.maps.shape[1] and len(early.regions) == len(deep.regions)
    ranking = bench.search(first, pipeline=PIPELINES[0], k=None).set_index("image_id")
    parts = bench.studies.contributions(second, first, pipeline=PIPELINES[0])
    assert parts.score == pytest.approx(ranking.loc[second, "score"], abs=1e-5)
    explanation = bench.explain(first, second, pipeline=PIPELINES[0])
    np.testing.assert_allclose(parts.heat.sum(0), explanation.image_heatmap, atol=1e-5)
    boxed = bench.studies.contributions(second, first, pipeline=PIPELINES[0], other_box=(0, 0, 70, 70))
    ranking = bench.search(first, box=(0, 0, 70, 70), pipeline=PIPELINES[0], k=None).set_index("image_id")
    assert boxed.score == pytest.approx(ranking.loc[second, "score"], abs=1e-4)
