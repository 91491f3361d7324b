"""Distractors from a folder: names, files, labels, notes, and their effect on the AP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from tests.support.pictures import folder_of
from workbench.cli.main import main
from workbench.collections.distractors import synthetic_count, with_distractors
from workbench.collections.folder import open_folder
from workbench.config.errors import WorkbenchError

PIPELINE = "efficientnet_lite0/max/whole/pcaw:8"


def test_distractors_are_added_to_the_database_only(tmp_path: Path) -> None:
    collection = open_folder(folder_of(tmp_path / "own", 6, kinds=2), "folders")
    folder_of(tmp_path / "more" / "deep", 3)
    (tmp_path / "more" / "broken.jpg").write_bytes(b"no image")
    extended = with_distractors(collection, str(tmp_path / "more"))
    assert extended.images == (*collection.images, *(f"distractors/deep/00{n}.jpg" for n in range(3)))
    assert extended.path("distractors/deep/001.jpg") == tmp_path / "more" / "deep" / "001.jpg"
    assert extended.path(collection.images[0]) == tmp_path / "own" / collection.images[0]
    assert (extended.queries, extended.relevance, extended.labels) == (
        collection.queries,
        collection.relevance,
        collection.labels,
    )
    assert [extended.is_distractor(image) for image in extended.images] == [False] * 6 + [True] * 3
    assert extended.problems == (("distractors/broken.jpg", "the content is not an image"),)
    assert any("3 images of" in note and "distractors" in note for note in extended.notes)


def test_distractor_names_do_not_clash_with_a_folder_of_that_name(tmp_path: Path) -> None:
    collection = open_folder(folder_of(tmp_path / "own" / "distractors", 2).parent)
    folder_of(tmp_path / "own" / "distractors2", 1)
    extended = with_distractors(open_folder(tmp_path / "own"), str(folder_of(tmp_path / "more", 2)))
    assert extended.path("distractors/000.jpg") == collection.path("distractors/000.jpg")
    assert extended.images[-2:] == ("distractors3/000.jpg", "distractors3/001.jpg")
    assert extended.path("distractors3/000.jpg") == tmp_path / "more" / "000.jpg"
    assert len({extended.path(image) for image in extended.images}) == len(extended.images) == 5


def test_files_of_the_collection_are_not_distractors(tmp_path: Path) -> None:
    collection = open_folder(folder_of(tmp_path / "photos" / "mine", 3))
    folder_of(tmp_path / "photos" / "others", 2)
    (tmp_path / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    extended = with_distractors(collection, str(tmp_path / "link"))
    assert extended.images[3:] == ("distractors/others/000.jpg", "distractors/others/001.jpg")
    assert any("3 more in it belong to the collection" in note for note in extended.notes)
    with pytest.raises(WorkbenchError, match=r"all 3 images in .* belong to the collection"):
        with_distractors(collection, str(tmp_path / "photos" / "mine"))


@pytest.mark.parametrize(
    "text", ["synthetic:abc", "synthetic:0", "synthetic:-5", "synthetic:", "synthetic:1e6"]
)
def test_an_invalid_count_is_refused_with_a_message(tmp_path: Path, text: str) -> None:
    folder_of(tmp_path / "own", 1)
    with pytest.raises(WorkbenchError, match=f"distractors '{text}'.* as in synthetic:1000000"):
        wb.open(tmp_path / "own", cache=tmp_path, distractors=text)


def test_an_invalid_folder_is_refused_with_a_message(tmp_path: Path) -> None:
    folder_of(tmp_path / "own", 1)
    (tmp_path / "empty").mkdir()
    for path, complaint in (
        (tmp_path / "nowhere", "distractors: folder .*nowhere' does not exist.* or write synthetic:COUNT"),
        (tmp_path / "own" / "000.jpg", "distractors: .* is a file, not a folder"),
        (tmp_path / "empty", "distractors: there is no image in"),
    ):
        with pytest.raises(WorkbenchError, match=complaint):
            wb.open(tmp_path / "own", cache=tmp_path, distractors=path)


def test_synthetic_distractors_are_counted_and_noted(tmp_path: Path) -> None:
    assert [synthetic_count(text) for text in ("", "/some/folder", "synthetic:1000000")] == [0, 0, 1_000_000]
    bench = wb.open(folder_of(tmp_path / "own", 2), cache=tmp_path, distractors="synthetic:1000")
    assert bench.collection.images == ("000.jpg", "001.jpg")
    assert any("1,000 synthetic distractors" in note for note in bench.collection.notes)


def test_distractors_are_ranked_as_negatives_and_excluded_from_whitening(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, distractors = folder_of(tmp_path / "own", 12, kinds=3), folder_of(tmp_path / "more", 9)
    baseline = wb.open(photos, "folders", cache=tmp_path).evaluate(PIPELINE)
    bench = wb.open(photos, "folders", cache=tmp_path, distractors=distractors)
    extended = bench.evaluate(PIPELINE)
    assert extended.provenance["images"] == 21 and extended.provenance["queries"] == 12
    assert extended.provenance["whitening"][0]["vectors"] == baseline.provenance["whitening"][0]["vectors"]
    assert (extended.per_query["ap"] <= baseline.per_query["ap"]).all()
    assert any("9 images of" in warning and "distractors" in warning for warning in extended.warnings)
    ranking = bench.search("kind0/000.jpg", pipeline=PIPELINE, k=None)
    added = ranking[ranking["image_id"].str.startswith("distractors/")]
    assert len(ranking) == 21 and len(added) == 9 and set(added["relevance"]) == {"negative"}
    by_distractor = bench.search(
        "distractors/003.jpg", pipeline=PIPELINE, k=1
    )  # a distractor is a valid query
    assert by_distractor["score"].tolist() == pytest.approx([1], abs=1e-3) and by_distractor[
        "relevance"
    ].tolist() == ["query"]
    assert bench.thumbnail("distractors/003.jpg")
    # The command line gives the same mAP.
    options = ["--labels", "folders", "--json", "--cache", str(tmp_path), "--distractors", str(distractors)]
    with pytest.raises(SystemExit):
        main(["evaluate", str(photos), PIPELINE, *options])
    (printed,) = json.loads(capsys.readouterr().out)
    assert printed["mean_ap"] == pytest.approx(extended.mean_ap)


def test_synthetic_distractors_lower_the_ap_and_are_not_results(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "own", 12, kinds=3)
    aps = []
    for distractors in ("", "synthetic:100", "synthetic:3000"):
        bench = wb.open(photos, "folders", cache=tmp_path, distractors=distractors)
        evaluation = bench.evaluate(PIPELINE)
        aps.append(evaluation.per_query["ap"])
        assert evaluation.provenance["distractors"] == distractors
        assert any("synthetic distractors" in warning for warning in evaluation.warnings) == bool(distractors)
        ranking = bench.search("kind0/000.jpg", pipeline=PIPELINE, k=None)
        assert sorted(ranking["image_id"]) == sorted(bench.collection.images)
    assert (aps[1] <= aps[0]).all() and (aps[2] <= aps[1]).all() and aps[2].mean() < aps[0].mean()
    assert len(bench.runs()) == 3 and len(set(bench.runs()["id"])) == 3  # stored as different runs


def test_a_distractor_damaged_after_opening_is_reported(tmp_path: Path) -> None:
    photos, distractors = folder_of(tmp_path / "own", 3), folder_of(tmp_path / "more", 2)
    bench = wb.open(photos, cache=tmp_path, distractors=distractors)
    content = (distractors / "001.jpg").read_bytes()
    (distractors / "001.jpg").write_bytes(content[: len(content) // 2])
    ranking = bench.search("000.jpg", pipeline="efficientnet_lite0/max/whole", k=None)
    assert sorted(ranking["image_id"]) == ["000.jpg", "001.jpg", "002.jpg", "distractors/000.jpg"]
    assert set(ranking["relevance"]) == {"query", "unknown"}
    assert bench.collection.report["image"].tolist() == ["distractors/001.jpg"]


def test_region_search_excludes_the_image_of_the_region(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "own", 3), cache=tmp_path, distractors=folder_of(tmp_path / "m", 2))
    for image in ("001.jpg", "distractors/001.jpg"):
        ranking = bench.regions.nearest(image, 0, pipeline="efficientnet_lite0/max/rmac:2")
        assert image not in set(ranking["image_id"]) and len(ranking) == 4
