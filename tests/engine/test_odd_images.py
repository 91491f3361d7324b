"""An image of an odd size fails no collection, with any pooling, regions and weighting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import picture
from workbench.bench.bench import Bench
from workbench.descriptors.regions import rmac
from workbench.features.network import Network, UnsuitableSize

SIZES = [(160, 120)] * 4 + [(32, 32), (1, 1), (600, 2), (3, 500), (120, 160), (5, 5)]
REGIONS = ["whole", "rmac:3", "rmac+:2", "grid:3x3"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("odd")
    for i, size in enumerate(SIZES):
        path = root / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i, size).save(path)
    return opened(root / "photos", root / "cache")


@pytest.mark.parametrize("backbone", [NETWORK, "alexnet@random"])
@pytest.mark.parametrize("pooling", ["max", "mean", "gem:3", "crow"])
def test_images_of_any_size_are_described_and_explained(odd: Bench, backbone: str, pooling: str) -> None:
    images = odd.collection.images
    for regions in REGIONS:
        for weighting in ("", "/centre", "/norm"):
            pipeline = f"{backbone}/{pooling}/{regions}{weighting}/pca:4"
            ranking = odd.search(images[4], pipeline=pipeline, k=None)
            assert len(ranking) == len(SIZES) and np.isfinite(ranking["score"]).all()
            for image in images[5:8]:
                explanation = odd.explain(images[4], image, pipeline=pipeline)
                parts = explanation.query_heatmap.sum() + explanation.constant
                assert parts == pytest.approx(explanation.score, abs=1e-4)


def test_an_icon_has_a_map_of_one_cell_and_is_no_vector(odd: Bench) -> None:
    pipeline = "alexnet@random/max/rmac:3"
    assert np.isfinite(odd.evaluate(pipeline).mean_ap)
    assert not len(odd.collection.report)
    described = odd.engine.searcher(wb.Config.parse(pipeline)).described
    assert described.maps(list(odd.collection.images).index("a/4.png"))[0].shape[2:] == (1, 1)


def test_a_map_one_cell_wide_has_regions_of_one_cell() -> None:
    # Side max(1, 2 * 1 / (l + 1)) is one cell at every level.
    for boxes in (rmac(1, 1, 3), rmac(1, 9, 3), rmac(9, 1, 3)):
        assert set(map(tuple, (boxes[:, 2:] - boxes[:, :2]).tolist())) == {(1, 1)}


def test_a_network_that_cannot_take_an_image_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i, size in enumerate([(160, 120)] * 4 + [(120, 160)]):
        path = tmp_path / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i, size).save(path)
    forward = Network.__call__
    refused = {(160, 120)}

    def landscape_only(self: Network, images: torch.Tensor) -> torch.Tensor:
        if tuple(images.shape[1:3]) in refused:
            raise UnsuitableSize("it cannot take images of 120x160 pixels")
        return forward(self, images)

    monkeypatch.setattr(Network, "__call__", landscape_only)
    bench = opened(tmp_path / "photos", tmp_path / "cache", size=160)
    assert len(bench.evaluate(f"{NETWORK}/max/whole").per_query) == 4
    ((image, reason),) = bench.collection.problems
    assert image == "a/4.png" and "120x160" in reason
    refused.add((120, 160))
    other = opened(tmp_path / "photos", tmp_path / "other", size=160)
    with pytest.raises(UnsuitableSize):
        other.evaluate(f"{NETWORK}/max/whole")
    assert len(other.collection.images) == 5  # another backbone may take them
