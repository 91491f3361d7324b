"""Bags of visual words and spatial verification in pipelines, end to end on photographs of a few objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import workbench as wb
from tests.support.benches import described, mean_ap_of
from tests.support.extraction import NETWORK
from tests.support.things import EMPTY, THINGS, folder_of_things, thing
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.engine.keypoints import Keypoints
from workbench.explain.bag_of_words import keypoint_contributions
from workbench.local.local_source import LocalSource

BOW = "sift/bow:200/whole"
GLOBAL = f"{NETWORK}/mean/whole"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of_things(tmp_path_factory.mktemp("things"))
    return wb.open(folder, "folders", cache=tmp_path_factory.mktemp("cache"), size=240)


@pytest.mark.parametrize(
    "pipeline",
    [
        BOW,
        f"{BOW}/power:0.5",
        f"{BOW}/pca:8",
        f"{BOW}/power:0.5/pcaw:8",
        f"{BOW}/he:24",
        f"{BOW}/he:24/sv:5",
        f"{BOW}/sv:10",
        f"{BOW}/sv:10/aqe:3",
        f"{BOW}/aqe:3/sv:10",
        f"{BOW}/dba:2",
        f"{BOW}/diffusion:5",
        f"{BOW}/ivf:3",
        f"{BOW}/lsh:64/sv:5",
        f"{GLOBAL}/sv:10",
        f"{GLOBAL}/aqe:2/sv:10:sift",
    ],
)
def test_every_pipeline_ranks_all_images_and_images_without_keypoints_last(
    bench: Bench, pipeline: str
) -> None:
    evaluation = bench.evaluate(pipeline)
    assert evaluation.pipeline == pipeline
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    uses_words = "/bow" in pipeline
    assert any("3 images have no keypoint" in warning for warning in evaluation.warnings) == uses_words
    for name in THINGS[:2]:
        ranking = bench.search(f"{name}/1.png", pipeline=pipeline, k=None)
        assert ranking["image_id"].is_unique
        assert ranking["score"].is_monotonic_decreasing and np.isfinite(ranking["score"]).all()
        if pipeline in (BOW, f"{BOW}/he:24", f"{BOW}/sv:10"):
            assert set(ranking["image_id"].tail(3)) == {f"empty/{name}.png" for name in EMPTY}
            np.testing.assert_array_equal(ranking["score"].tail(3), 0)


def test_words_retrieve_objects_and_verification_improves_the_ap(bench: Bench) -> None:
    plain, verified = bench.evaluate(BOW), bench.evaluate(f"{BOW}/sv:25")
    with_objects = ~plain.per_query["query"].str.startswith("empty")
    assert plain.per_query["ap"][with_objects].mean() > 0.6
    assert verified.per_query["ap"][with_objects].mean() > plain.per_query["ap"][with_objects].mean()
    assert verified.provenance["vocabulary"] == {
        "words": 200,
        "keypoints an image": pytest.approx(plain.provenance["vocabulary"]["keypoints an image"]),
        "collection": bench.collection.name,
    }
    assert verified.provenance["verified by"] == "sift"
    assert verified.provenance["timings"]["milliseconds sv:25, a pair"] > 0
    assert verified.costs["bytes"] > plain.costs["bytes"]  # verification needs the keypoints too


def test_a_query_without_keypoints_scores_zero_and_does_not_fail(bench: Bench) -> None:
    for pipeline in (BOW, f"{BOW}/he:24", f"{BOW}/sv:5", f"{BOW}/sv:5/aqe:3", f"{GLOBAL}/sv:5"):
        ranking = bench.search("empty/one colour.png", pipeline=pipeline, k=None)
        assert len(ranking) == len(bench.collection.images)
        if "bow" in pipeline:
            assert not ranking["score"].any()
    matches = bench.match("empty/tiny.png", "coffee/0.png", pipeline=BOW)
    assert matches.inliers == 0 and matches.verified.why == "no keypoints in the query"
    assert len(matches.table) == len(matches.words) == 0
    explanation = bench.explain("empty/one colour.png", "coffee/0.png", pipeline=BOW)
    assert (
        explanation.score == 0 and not explanation.query_heatmap.any() and len(explanation.region_pairs) == 0
    )


def test_expansion_after_verification_uses_verified_images_only(bench: Bench) -> None:
    query = "coffee/1.png"
    verified = bench.search(query, pipeline=f"{BOW}/sv:10", k=None)
    expanded = bench.search(query, pipeline=f"{BOW}/sv:10/aqe:4", k=None)
    inlying = verified[verified["score"] >= 8]
    assert 2 <= len(inlying) < 10
    # Verified images stay first, in their order; the results of the expanded query follow.
    pd.testing.assert_series_equal(expanded["image_id"].head(len(inlying)), inlying["image_id"])
    assert set(expanded["image_id"]) == set(verified["image_id"])
    # A query without a verified image is not expanded.
    assert not (bench.search("empty/tiny.png", pipeline=f"{BOW}/sv:10/aqe:4")["score"] > 0).any()


def test_a_decoded_picture_and_a_crop_are_described_like_the_file(bench: Bench) -> None:
    name = "coins/0.png"
    with Image.open(bench.collection.path(name)) as picture:
        for pipeline in (BOW, f"{BOW}/sv:10", f"{GLOBAL}/sv:10"):
            pd.testing.assert_series_equal(
                bench.search(picture, pipeline=pipeline)["score"],
                bench.search(name, pipeline=pipeline)["score"],
                rtol=1e-5,
            )
    cropped = bench.search(name, box=(0, 0, 120, 90), pipeline=f"{BOW}/sv:10", k=3)
    assert cropped["image_id"].iloc[0] == name and cropped["score"].iloc[0] > 8
    with pytest.raises(WorkbenchError, match="holds no pixel"):
        bench.search(name, box=(500, 0, 600, 90), pipeline=BOW)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(["", "/power:0.5", "/power:0.3", "/pca:6", "/pcaw:6", "/power:0.5/pcaw:6", "/lw:6"]),
    st.sampled_from([f"{name}/{number}.png" for name in THINGS for number in (0, 1)]),
    st.sampled_from([f"{name}/{number}.png" for name in THINGS for number in (0, 2)]),
)
def test_contributions_of_words_sum_to_the_score(bench: Bench, steps: str, query: str, image: str) -> None:
    pipeline = BOW + steps
    explanation = bench.explain(query, image, pipeline=pipeline)
    scores = bench.search(query, pipeline=pipeline, k=None).set_index("image_id")["score"]
    assert explanation.score == pytest.approx(scores[image], abs=1e-4)
    for summands in (
        explanation.query_heatmap,
        explanation.image_heatmap,
        explanation.region_pairs["contribution"].to_numpy(),
    ):
        assert summands.sum() + explanation.constant == pytest.approx(explanation.score, abs=1e-4)
    assert explanation.region_pairs["contribution"].is_monotonic_decreasing
    assert ((explanation.query_regions >= 0) & (explanation.query_regions <= 1)).all()
    # The faster computation used for localisation gives equal contributions per keypoint.
    prepared = described(bench, pipeline)
    assert prepared.words is not None
    row = prepared.image_rows()[image]
    query_vector = prepared.descriptors.vectors[prepared.image_rows()[query]]
    contributions = keypoint_contributions(
        prepared.words.of(row), query_vector, prepared.words, prepared.config, prepared.descriptors
    )
    pairs = explanation.region_pairs
    sums = np.bincount(pairs["image_region"], pairs["contribution"], len(explanation.image_regions))
    np.testing.assert_allclose(contributions, sums, atol=1e-4)


def test_a_pair_of_equal_words_contributes_the_squared_idf_over_both_norms(bench: Bench) -> None:
    prepared = described(bench, BOW)
    assert prepared.words is not None
    rows = prepared.image_rows()
    words = [prepared.words.of(rows[image]) for image in ("coffee/0.png", "coffee/1.png")]
    norms = [np.linalg.norm(np.bincount(n, minlength=200) * prepared.words.idf) for n in words]
    explanation = bench.explain("coffee/0.png", "coffee/1.png", pipeline=BOW)
    assert len(explanation.region_pairs)
    for _, pair in explanation.region_pairs.head(20).iterrows():
        word = words[0][int(pair["query_region"])]
        assert word == words[1][int(pair["image_region"])]
        expected = prepared.words.idf[word] ** 2 / (norms[0] * norms[1])
        assert pair["contribution"] == pytest.approx(expected, rel=1e-4)
    table = bench.match("coffee/0.png", "coffee/1.png", pipeline=BOW).words
    assert table["contribution"].sum() == pytest.approx(explanation.score, abs=1e-5)
    first = table.iloc[0]
    assert first["in_query"] == (words[0] == first["word"]).sum()


def test_matches_list_keypoints_and_words_of_both_pictures(bench: Bench) -> None:
    by_pooled_descriptors = bench.match("chelsea/0.png", "chelsea/2.png", pipeline=f"{GLOBAL}/sv:10")
    assert by_pooled_descriptors.inliers >= 8
    assert by_pooled_descriptors.table["inlier"].sum() >= by_pooled_descriptors.inliers
    assert (
        by_pooled_descriptors.table["distance"].is_monotonic_increasing
        and (by_pooled_descriptors.table["ratio"] <= 0.85).all()
    )
    assert "word" not in by_pooled_descriptors.table and len(by_pooled_descriptors.words) == 0
    by_words = bench.match("chelsea/0.png", "chelsea/2.png", pipeline=BOW)
    pd.testing.assert_frame_equal(by_words.table.drop(columns="word"), by_pooled_descriptors.table)
    assert (by_words.table["word"] >= 0).mean() > 0.3


def test_nearest_patches_equal_an_exhaustive_search(bench: Bench) -> None:
    image, keypoint = "astronaut/0.png", 5
    nearest = bench.keypoints.nearest(image, keypoint, pipeline=BOW, k=6)
    assert image not in set(nearest["image_id"]) and nearest["image_id"].is_unique
    assert nearest["distance"].is_monotonic_increasing
    prepared = described(bench, BOW)
    assert isinstance(prepared.source, LocalSource)
    keypoints = Keypoints(prepared.source, prepared.keys[0])
    query = keypoints.of(prepared.image_rows()[image]).descriptors[keypoint]
    distances = {}
    for row, other in enumerate(bench.collection.images):
        descriptors = keypoints.of(row).descriptors
        if other != image and len(descriptors):
            distances[other] = float(np.linalg.norm(descriptors - query, axis=1).min())
    expected = sorted(distances, key=lambda name: distances[name])[:6]
    assert nearest["image_id"].tolist() == expected
    np.testing.assert_allclose(nearest["distance"], [distances[name] for name in expected], atol=1e-3)
    assert bench.keypoints.patches(image, [keypoint], pipeline=BOW).shape == (1, 32, 32)
    with pytest.raises(WorkbenchError, match=r"keypoint 100000 is not in this picture; it has \d+"):
        bench.keypoints.nearest(image, 100_000, pipeline=BOW)


@pytest.mark.parametrize(
    "study",
    [
        lambda bench: bench.studies.activations("coffee/0.png", pipeline=BOW),
        lambda bench: bench.studies.contributions("coffee/0.png", "coffee/1.png", pipeline=BOW),
        lambda bench: bench.regions.nearest("coffee/0.png", 0, pipeline=BOW),
        lambda bench: bench.studies.cooccurrence(f"{BOW}/pca:6"),
    ],
)
def test_studies_of_feature_maps_are_refused_for_local_features(
    bench: Bench, study: Callable[[Bench], object]
) -> None:
    with pytest.raises(WorkbenchError, match=r"sift has no feature map.*Local matches"):
        study(bench)


def test_stored_descriptions_are_reused_by_another_bench(bench: Bench) -> None:
    bench.evaluate(f"{BOW}/sv:10")
    files = {path: path.stat().st_mtime_ns for path in bench.options.cache.rglob("*.safetensors")}
    reopened = wb.open(bench.collection.root, "folders", cache=bench.options.cache, size=240)
    assert reopened.evaluate(f"{BOW}/sv:10").mean_ap == bench.evaluate(f"{BOW}/sv:10").mean_ap
    assert {path: path.stat().st_mtime_ns for path in bench.options.cache.rglob("*.safetensors")} == files


def test_verification_can_be_cancelled(bench: Bench) -> None:
    def stop(label: str, done: int, total: int) -> None:
        if label == "verifying" and done > 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.search("coffee/0.png", pipeline=f"{BOW}/sv:20", progress=stop)
    assert len(bench.search("coffee/0.png", pipeline=f"{BOW}/sv:20")) == 20


def test_synthetic_distractors_are_refused_for_words_and_photos_are_accepted(
    bench: Bench, tmp_path: Path
) -> None:
    folder, cache = bench.collection.root, bench.options.cache
    with_synthetic = wb.open(folder, "folders", cache=cache, size=240, distractors="synthetic:100")
    with pytest.raises(WorkbenchError, match="counts of words cannot be drawn"):
        with_synthetic.evaluate(BOW)
    thing("rocket").save(tmp_path / "far.png")
    with_photos = wb.open(folder, "folders", cache=cache, size=240, distractors=str(tmp_path))
    ranking = with_photos.search("coffee/0.png", pipeline=BOW, k=None)
    assert len(ranking) == len(bench.collection.images) + 1


def test_a_changed_photo_is_described_again(tmp_path: Path) -> None:
    folder = folder_of_things(tmp_path / "things", views=1, empty=False)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=240)
    before = bench.search("coffee/1.png", pipeline=f"{BOW}/sv:10")["image_id"].iloc[1]
    assert before == "coffee/0.png"
    thing("coins").save(folder / "coffee" / "0.png")
    after = bench.search("coffee/1.png", pipeline=f"{BOW}/sv:10")
    assert after.set_index("image_id")["score"]["coffee/0.png"] < 8


def test_a_missing_hardnet_is_reported(bench: Bench) -> None:
    with pytest.raises(WorkbenchError, match="workbench train hardnet FOLDER --name absent"):
        bench.evaluate("hardnet:absent/bow:20/whole")
    with pytest.raises(WorkbenchError, match=r"check the path|cannot be read"):
        bench.evaluate("hardnet:./absent.pth/bow:20/whole")
    with pytest.raises(WorkbenchError, match="workbench train hardnet"):
        bench.evaluate(f"{GLOBAL}/sv:5:absent")


def test_keypoints_of_a_collection_are_looked_up_again_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_things(tmp_path / "things", views=1, empty=False)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=160)
    extract, calls = LocalSource.extract, list[int]()

    def counted(source: LocalSource, *values: Any) -> Any:
        calls.append(1)
        return extract(source, *values)

    monkeypatch.setattr(LocalSource, "extract", counted)
    first, second = bench.collection.images[:2]
    for query in (first, second):
        bench.search(query, pipeline=f"{GLOBAL}/sv:3")
    assert len(calls) == 1
    matches = bench.search(first, pipeline=f"{GLOBAL}/sv:3", k=None)
    (folder / second).write_bytes((folder / first).read_bytes())
    bench.search(first, pipeline=f"{GLOBAL}/sv:3", k=None)
    assert len(calls) == 2 and len(matches) == len(bench.collection.images)
