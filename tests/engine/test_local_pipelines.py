"""Bags of words and spatial verification as pipelines, end to end on photographs of a few things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
from workbench.local.features import LocalSource

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
def test_every_pipeline_ranks_everything_and_what_shows_nothing_last(bench: Bench, pipeline: str) -> None:
    evaluation = bench.evaluate(pipeline)
    assert evaluation.pipeline == pipeline
    assert evaluation.mean_ap == pytest.approx(mean_ap_of(evaluation, bench.collection))
    words = "/bow" in pipeline
    assert any("3 images have no keypoint" in said for said in evaluation.warnings) == words
    for name in THINGS[:2]:
        ranking = bench.search(f"{name}/1.png", pipeline=pipeline, k=None)
        assert ranking["image_id"].is_unique
        assert ranking["score"].is_monotonic_decreasing and np.isfinite(ranking["score"]).all()
        if pipeline in (BOW, f"{BOW}/he:24", f"{BOW}/sv:10"):
            assert set(ranking["image_id"].tail(3)) == {f"empty/{name}.png" for name in EMPTY}
            np.testing.assert_array_equal(ranking["score"].tail(3), 0)


def test_the_words_are_judged_by_what_they_find(bench: Bench) -> None:
    plain, checked = bench.evaluate(BOW), bench.evaluate(f"{BOW}/sv:25")
    things = ~plain.per_query["query"].str.startswith("empty")
    assert plain.per_query["ap"][things].mean() > 0.6
    assert checked.per_query["ap"][things].mean() > plain.per_query["ap"][things].mean()
    assert checked.provenance["vocabulary"] == {
        "words": 200,
        "keypoints an image": pytest.approx(plain.provenance["vocabulary"]["keypoints an image"]),
        "collection": bench.collection.name,
    }
    assert checked.provenance["verified by"] == "sift"
    assert checked.provenance["timings"]["milliseconds sv:25, a pair"] > 0
    assert checked.costs["bytes"] > plain.costs["bytes"]  # verification needs the keypoints too


def test_a_query_that_shows_nothing_finds_nothing_and_does_not_fail(bench: Bench) -> None:
    for pipeline in (BOW, f"{BOW}/he:24", f"{BOW}/sv:5", f"{BOW}/sv:5/aqe:3", f"{GLOBAL}/sv:5"):
        ranking = bench.search("empty/one colour.png", pipeline=pipeline, k=None)
        assert len(ranking) == len(bench.collection.images)
        if "bow" in pipeline:
            assert not ranking["score"].any()
    found = bench.match("empty/tiny.png", "coffee/0.png", pipeline=BOW)
    assert found.inliers == 0 and found.verified.why == "no keypoints in the query"
    assert len(found.table) == len(found.words) == 0
    why = bench.explain("empty/one colour.png", "coffee/0.png", pipeline=BOW)
    assert why.score == 0 and not why.query_heatmap.any() and len(why.region_pairs) == 0


def test_expansion_behind_verification_takes_verified_images_only(bench: Bench) -> None:
    query = "coffee/1.png"
    checked = bench.search(query, pipeline=f"{BOW}/sv:10", k=None)
    expanded = bench.search(query, pipeline=f"{BOW}/sv:10/aqe:4", k=None)
    sure = checked[checked["score"] >= 8]
    assert 2 <= len(sure) < 10
    # Verified images stay in front, in their order; behind them ranks what the expanded query finds.
    pd.testing.assert_series_equal(expanded["image_id"].head(len(sure)), sure["image_id"])
    assert set(expanded["image_id"]) == set(checked["image_id"])
    # A query for which nothing is verified is not expanded by what was not.
    assert not (bench.search("empty/tiny.png", pipeline=f"{BOW}/sv:10/aqe:4")["score"] > 0).any()


def test_a_decoded_picture_and_a_crop_are_described_as_the_file_is(bench: Bench) -> None:
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
def test_explanations_of_words_add_up_to_the_score(bench: Bench, steps: str, query: str, image: str) -> None:
    pipeline = BOW + steps
    why = bench.explain(query, image, pipeline=pipeline)
    scores = bench.search(query, pipeline=pipeline, k=None).set_index("image_id")["score"]
    assert why.score == pytest.approx(scores[image], abs=1e-4)
    for parts in (why.query_heatmap, why.image_heatmap, why.region_pairs["contribution"].to_numpy()):
        assert parts.sum() + why.constant == pytest.approx(why.score, abs=1e-4)
    assert why.region_pairs["contribution"].is_monotonic_decreasing
    assert ((why.query_regions >= 0) & (why.query_regions <= 1)).all()
    # The quick way that localisation takes says the same of every keypoint.
    ready = described(bench, pipeline)
    assert ready.words is not None
    row = ready.image_rows()[image]
    other = ready.descriptors.vectors[ready.image_rows()[query]]
    quick = keypoint_contributions(ready.words.of(row), other, ready.words, ready.config, ready.descriptors)
    pairs = why.region_pairs
    whole = np.bincount(pairs["image_region"], pairs["contribution"], len(why.image_regions))
    np.testing.assert_allclose(quick, whole, atol=1e-4)


def test_two_keypoints_of_one_word_add_its_weight_squared_over_both_lengths(bench: Bench) -> None:
    ready = described(bench, BOW)
    assert ready.words is not None
    rows = ready.image_rows()
    names = [ready.words.of(rows[image]) for image in ("coffee/0.png", "coffee/1.png")]
    lengths = [np.linalg.norm(np.bincount(n, minlength=200) * ready.words.idf) for n in names]
    why = bench.explain("coffee/0.png", "coffee/1.png", pipeline=BOW)
    assert len(why.region_pairs)
    for _, pair in why.region_pairs.head(20).iterrows():
        asked = names[0][int(pair["query_region"])]
        assert asked == names[1][int(pair["image_region"])]
        expected = ready.words.idf[asked] ** 2 / (lengths[0] * lengths[1])
        assert pair["contribution"] == pytest.approx(expected, rel=1e-4)
    table = bench.match("coffee/0.png", "coffee/1.png", pipeline=BOW).words
    assert table["contribution"].sum() == pytest.approx(why.score, abs=1e-5)
    first = table.iloc[0]
    assert first["in_query"] == (names[0] == first["word"]).sum()


def test_matches_name_the_keypoints_and_words_of_both(bench: Bench) -> None:
    found = bench.match("chelsea/0.png", "chelsea/2.png", pipeline=f"{GLOBAL}/sv:10")
    assert found.inliers >= 8
    assert found.table["inlier"].sum() >= found.inliers
    assert found.table["distance"].is_monotonic_increasing and (found.table["ratio"] <= 0.85).all()
    assert "word" not in found.table and len(found.words) == 0
    named = bench.match("chelsea/0.png", "chelsea/2.png", pipeline=BOW)
    pd.testing.assert_frame_equal(named.table.drop(columns="word"), found.table)
    assert (named.table["word"] >= 0).mean() > 0.3


def test_nearest_patches_are_those_of_a_plain_search(bench: Bench) -> None:
    image, keypoint = "astronaut/0.png", 5
    found = bench.keypoints.nearest(image, keypoint, pipeline=BOW, k=6)
    assert image not in set(found["image_id"]) and found["image_id"].is_unique
    assert found["distance"].is_monotonic_increasing
    ready = described(bench, BOW)
    assert isinstance(ready.source, LocalSource)
    keypoints = Keypoints(ready.source, ready.keys[0])
    asked = keypoints.of(ready.image_rows()[image]).descriptors[keypoint]
    best = {}
    for row, other in enumerate(bench.collection.images):
        descriptors = keypoints.of(row).descriptors
        if other != image and len(descriptors):
            best[other] = float(np.linalg.norm(descriptors - asked, axis=1).min())
    expected = sorted(best, key=lambda name: best[name])[:6]
    assert found["image_id"].tolist() == expected
    np.testing.assert_allclose(found["distance"], [best[name] for name in expected], atol=1e-3)
    assert bench.keypoints.patches(image, [keypoint], pipeline=BOW).shape == (1, 32, 32)
    with pytest.raises(WorkbenchError, match=r"keypoint 100000 is not in this picture; it has \d+"):
        bench.keypoints.nearest(image, 100_000, pipeline=BOW)


@pytest.mark.parametrize(
    "look",
    [
        lambda bench: bench.studies.activations("coffee/0.png", pipeline=BOW),
        lambda bench: bench.studies.contributions("coffee/0.png", "coffee/1.png", pipeline=BOW),
        lambda bench: bench.regions.nearest("coffee/0.png", 0, pipeline=BOW),
        lambda bench: bench.studies.cooccurrence(f"{BOW}/pca:6"),
    ],
)
def test_what_needs_a_map_says_so(bench: Bench, look: Callable[[Bench], object]) -> None:
    with pytest.raises(WorkbenchError, match=r"sift has no feature map.*Local matches"):
        look(bench)


def test_a_described_collection_is_not_described_again(bench: Bench) -> None:
    bench.evaluate(f"{BOW}/sv:10")
    files = {path: path.stat().st_mtime_ns for path in bench.options.cache.rglob("*.safetensors")}
    again = wb.open(bench.collection.root, "folders", cache=bench.options.cache, size=240)
    assert again.evaluate(f"{BOW}/sv:10").mean_ap == bench.evaluate(f"{BOW}/sv:10").mean_ap
    assert {path: path.stat().st_mtime_ns for path in bench.options.cache.rglob("*.safetensors")} == files


def test_verification_can_be_cancelled(bench: Bench) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "verifying" and done > 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.search("coffee/0.png", pipeline=f"{BOW}/sv:20", progress=stop)
    assert len(bench.search("coffee/0.png", pipeline=f"{BOW}/sv:20")) == 20


def test_synthetic_distractors_of_words_are_refused_and_photos_are_taken(
    bench: Bench, tmp_path: Path
) -> None:
    folder, cache = bench.collection.root, bench.options.cache
    drawn = wb.open(folder, "folders", cache=cache, size=240, distractors="synthetic:100")
    with pytest.raises(WorkbenchError, match="counts of words cannot be drawn"):
        drawn.evaluate(BOW)
    thing("rocket").save(tmp_path / "far.png")
    more = wb.open(folder, "folders", cache=cache, size=240, distractors=str(tmp_path))
    ranking = more.search("coffee/0.png", pipeline=BOW, k=None)
    assert len(ranking) == len(bench.collection.images) + 1


def test_a_changed_photo_is_described_anew(tmp_path: Path) -> None:
    folder = folder_of_things(tmp_path / "things", views=1, empty=False)
    bench = wb.open(folder, "folders", cache=tmp_path / "cache", size=240)
    before = bench.search("coffee/1.png", pipeline=f"{BOW}/sv:10")["image_id"].iloc[1]
    assert before == "coffee/0.png"
    thing("coins").save(folder / "coffee" / "0.png")
    after = bench.search("coffee/1.png", pipeline=f"{BOW}/sv:10")
    assert after.set_index("image_id")["score"]["coffee/0.png"] < 8


def test_hardnet_that_is_not_there_is_said(bench: Bench) -> None:
    with pytest.raises(WorkbenchError, match="workbench train hardnet FOLDER --name absent"):
        bench.evaluate("hardnet:absent/bow:20/whole")
    with pytest.raises(WorkbenchError, match=r"check the path|cannot be read"):
        bench.evaluate("hardnet:./absent.pth/bow:20/whole")
    with pytest.raises(WorkbenchError, match="workbench train hardnet"):
        bench.evaluate(f"{GLOBAL}/sv:5:absent")
