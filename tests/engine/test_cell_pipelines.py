"""Cells of feature maps compared by words, end to end: ranking, queries, verification, maps not kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from tests.support.benches import mean_ap_of
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.export.export import check_pipeline
from workbench.features.network import Network
from workbench.local import asmk
from workbench.local.asmk import Kernel

NETWORK = "timm:test_resnet@random"
PIPELINE = f"{NETWORK}/asmk:32/whole/scales:3/pcaw:8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = folder_of(tmp_path_factory.mktemp("kinds"), 20, kinds=4)
    Image.new("RGB", (1, 1), (200, 90, 10)).save(root / "kind0" / "pixel.png")
    return root


@pytest.fixture(scope="module")
def bench(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=128)


@pytest.mark.parametrize(
    "pipeline",
    [
        PIPELINE,
        f"{NETWORK}/asmk-full:32:2:0.1/whole",
        f"{NETWORK}/asmk:32/whole/pca:4/sv:5",
        f"{NETWORK}/asmk:32/whole/pcaw:4:0.5/sv:3:hardnet",
        "timm:test_vit@random/asmk:32/whole/pcaw:8",
        "efficientnet_lite0@block5/asmk:32/whole/scales:2/pcaw:8",
    ],
)
def test_every_pipeline_ranks_all_images(bench: Bench, pipeline: str) -> None:
    evaluation = bench.evaluate(pipeline, localise=False)
    assert evaluation.pipeline == pipeline
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    ranking = bench.search("kind1/001.jpg", pipeline=pipeline, k=None)
    assert sorted(ranking["image_id"]) == sorted(bench.collection.images)
    assert ranking["score"].is_monotonic_decreasing
    assert np.isfinite(ranking["score"]).all()
    random = any("random weights" in warning for warning in evaluation.warnings)
    assert random == ("@random" in pipeline)


def test_scores_are_those_of_the_kernel_on_the_pictures_cells(bench: Bench) -> None:
    described = bench.engine.describe(bench.engine.config(PIPELINE))
    assert described.cells is not None and described.words is not None
    cells = [features for _, features in described.cells.read(described.keys[0])]
    words, kernel = described.words, Kernel()
    sums = [
        asmk.aggregate(one.descriptors, words.of(row)[:, None], words.centroids)
        for row, one in enumerate(cells)
    ]
    postings = asmk.invert(sums, len(words.centroids))
    row = described.image_row("kind2/002.jpg")
    query = asmk.aggregate(cells[row].descriptors, words.nearest(cells[row], asmk.ASSIGNED), words.centroids)
    expected = asmk.scores(query, postings, kernel, 8)
    ranking = bench.search("kind2/002.jpg", pipeline=PIPELINE, k=None).set_index("image_id")["score"]
    np.testing.assert_allclose(ranking[list(described.collection.images)], expected, atol=1e-6)


def test_a_new_picture_and_a_crop_are_queries(bench: Bench, folder: Path, tmp_path: Path) -> None:
    name = "kind3/003.jpg"
    copied = Path(shutil.copy(folder / name, tmp_path / "copy.jpg"))
    expected = bench.search(name, pipeline=PIPELINE, k=None).set_index("image_id")["score"]
    for query in (copied, Image.open(copied)):
        scores = bench.search(query, pipeline=PIPELINE, k=None).set_index("image_id")["score"]
        np.testing.assert_allclose(scores[expected.index], expected, atol=0.05)  # maps are stored as float16
        assert scores.idxmax() == expected.idxmax()
    cropped = bench.search(name, box=(0, 0, 60, 50), pipeline=PIPELINE, k=3)
    assert len(cropped) == 3


def test_a_global_pipeline_leaves_nothing_to_extract(folder: Path, tmp_path: Path) -> None:
    first = wb.open(folder, "folders", cache=tmp_path, size=128)
    first.evaluate(f"{NETWORK}/max/rmac:2/scales:3", localise=False)
    runs: list[int] = []
    original = Network.__call__

    def counting(self: Network, *args: object) -> object:
        runs.append(1)
        return original(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "__call__", counting)
        again = wb.open(folder, "folders", cache=tmp_path, size=128)
        again.evaluate(PIPELINE, localise=False)
        assert not runs
        again.evaluate(f"{NETWORK}/asmk:32/whole/scales:4", localise=False)
        assert runs  # the counter counts


@pytest.mark.parametrize("maps", ["none", "lru:0.001MB"])
def test_maps_that_are_not_kept_give_the_same_ranking(folder: Path, tmp_path: Path, maps: str) -> None:
    kept = wb.open(folder, "folders", cache=tmp_path / "all", size=128)
    passing = wb.open(folder, "folders", cache=tmp_path / "passing", size=128, maps=maps)
    first, second = (
        one.search("kind0/000.jpg", pipeline=PIPELINE, k=None).set_index("image_id")["score"]
        for one in (kept, passing)
    )
    np.testing.assert_allclose(second[first.index], first, atol=0.02)


def test_three_images_have_fewer_cells_than_words(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((folder / "kind1").glob("*.jpg"))[:3]:
        shutil.copy(path, few)
    bench = wb.open(few, cache=tmp_path / "cache", size=128)
    ranking = bench.search(bench.collection.images[0], pipeline=f"{NETWORK}/asmk:4096/whole/pcaw:128")
    assert len(ranking) == 3
    warnings = " ".join(ranking.attrs["warnings"])
    assert "the vocabulary has" in warnings
    assert "keeps" in warnings  # fewer dimensions than 128


def test_vectors_of_a_layer_have_no_cells(bench: Bench) -> None:
    with pytest.raises(WorkbenchError, match="no cells for asmk"):
        bench.search("kind1/001.jpg", pipeline="efficientnet_lite0@pool/asmk:32/whole")


def test_studies_of_vectors_and_exports_name_another_pooling(bench: Bench) -> None:
    def classify(pipeline: str) -> object:
        return bench.classify("kind1/001.jpg", pipeline=pipeline)

    for study in (bench.studies.embedding, classify):
        with pytest.raises(WorkbenchError, match=r"compares cells .* another pooling, as in"):
            study(pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match="pooling asmk:32 cannot be exported"):
        check_pipeline(bench.engine.config(PIPELINE), "fp32")


def test_results_are_verified_by_keypoints_and_matches_are_of_cells(bench: Bench) -> None:
    pipeline = f"{NETWORK}/asmk:32/whole/sv:21"
    assert bench.match("kind1/001.jpg", "kind1/005.jpg", pipeline=pipeline).query.stored.shape[1:] == (128,)
    assert bench.evaluate(pipeline, localise=False).provenance["verified by"] == "sift"
    matched = bench.match("kind1/001.jpg", "kind1/001.jpg", pipeline=PIPELINE)
    assert matched.query.descriptors.shape[1] == 8  # without sv, the cells
    assert len(matched.words)
