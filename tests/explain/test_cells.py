"""Scores of cells compared by words, split over the cells of both pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench

NETWORK = "timm:test_resnet@random"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("kinds"), 12, kinds=3)
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=160)


@pytest.mark.parametrize("pipeline", [f"{NETWORK}/asmk:16/whole/scales:3/pcaw:8", f"{NETWORK}/asmk-full:16"])
def test_heat_and_pairs_of_cells_add_up_to_the_score(bench: Bench, pipeline: str) -> None:
    query, image = "kind0/000.jpg", "kind0/003.jpg"
    why = bench.explain(query, image, pipeline=pipeline)
    ranking = bench.search(query, pipeline=pipeline, k=None).set_index("image_id")["score"]
    assert why.score == pytest.approx(ranking[image], abs=1e-4)
    for heatmap in (why.query_heatmap, why.image_heatmap):
        assert heatmap.sum() == pytest.approx(why.score, abs=1e-4)
    assert why.region_pairs["contribution"].sum() == pytest.approx(why.score, abs=1e-4)
    maps = bench.engine.describe(bench.engine.config(pipeline)).maps(1)
    assert len(why.query_regions) == sum(m.shape[2] * m.shape[3] for m in maps)  # pictures of the same kind
    assert why.query_heatmap.shape == (bench.studies.activations(query, pipeline=pipeline).cells.shape)
    assert why.image_regions.min() >= 0 and why.image_regions.max() <= 1


def test_the_attention_of_cells_is_shown_without_regions(bench: Bench) -> None:
    shown = bench.studies.activations("kind0/000.jpg", pipeline=f"{NETWORK}/asmk:16/whole/pcaw:8")
    np.testing.assert_allclose(shown.cells, np.linalg.norm(shown.maps, axis=0), rtol=1e-5)
    assert len(shown.regions) == 0
    assert shown.figure("cells").data
    other = bench.studies.activations("kind0/000.jpg", pipeline=f"{NETWORK}/asmk:16", layer="layer2")
    assert other.cells.size > shown.cells.size


def test_a_crop_and_a_file_are_explained(bench: Bench, tmp_path: Path) -> None:
    pipeline = f"{NETWORK}/asmk:16/whole/scales:2/sv:3"
    cropped = bench.explain("kind1/001.jpg", "kind1/004.jpg", box=(0, 0, 64, 64), pipeline=pipeline)
    assert cropped.query_heatmap.sum() == pytest.approx(cropped.score, abs=1e-4)
    folder = folder_of(tmp_path, 1)
    assert np.isfinite(bench.explain(folder / "000.jpg", "kind1/004.jpg", pipeline=pipeline).score)
