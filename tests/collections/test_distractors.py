"""Distractors from a folder: names, files, labels, notes, and that they only lower the mAP."""

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


def test_they_join_the_database_and_nothing_else(tmp_path: Path) -> None:
    own = open_folder(folder_of(tmp_path / "own", 6, kinds=2), "folders")
    folder_of(tmp_path / "more" / "deep", 3)
    (tmp_path / "more" / "broken.jpg").write_bytes(b"no image")
    both = with_distractors(own, str(tmp_path / "more"))
    assert both.images == (*own.images, *(f"distractors/deep/00{n}.jpg" for n in range(3)))
    assert both.path("distractors/deep/001.jpg") == tmp_path / "more" / "deep" / "001.jpg"
    assert both.path(own.images[0]) == tmp_path / "own" / own.images[0]
    assert (both.queries, both.relevance, both.labels) == (own.queries, own.relevance, own.labels)
    assert [both.is_distractor(image) for image in both.images] == [False] * 6 + [True] * 3
    assert both.problems == (("distractors/broken.jpg", "the content is not an image"),)
    assert any("3 images of" in note and "distractors" in note for note in both.notes)


def test_names_do_not_clash_with_a_folder_of_that_name(tmp_path: Path) -> None:
    own = open_folder(folder_of(tmp_path / "own" / "distractors", 2).parent)
    folder_of(tmp_path / "own" / "distractors2", 1)
    both = with_distractors(open_folder(tmp_path / "own"), str(folder_of(tmp_path / "more", 2)))
    assert both.path("distractors/000.jpg") == own.path("distractors/000.jpg")
    assert both.images[-2:] == ("distractors3/000.jpg", "distractors3/001.jpg")
    assert both.path("distractors3/000.jpg") == tmp_path / "more" / "000.jpg"
    assert len({both.path(image) for image in both.images}) == len(both.images) == 5


def test_the_collections_own_files_are_no_distractors(tmp_path: Path) -> None:
    own = open_folder(folder_of(tmp_path / "photos" / "mine", 3))
    folder_of(tmp_path / "photos" / "others", 2)
    (tmp_path / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    both = with_distractors(own, str(tmp_path / "link"))
    assert both.images[3:] == ("distractors/others/000.jpg", "distractors/others/001.jpg")
    assert any("3 more in it belong to the collection" in note for note in both.notes)
    with pytest.raises(WorkbenchError, match=r"all 3 images in .* belong to the collection"):
        with_distractors(own, str(tmp_path / "photos" / "mine"))


@pytest.mark.parametrize(
    "text", ["synthetic:abc", "synthetic:0", "synthetic:-5", "synthetic:", "synthetic:1e6"]
)
def test_a_wrong_count_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder_of(tmp_path / "own", 1)
    with pytest.raises(WorkbenchError, match=f"distractors '{text}'.* as in synthetic:1000000"):
        wb.open(tmp_path / "own", cache=tmp_path, distractors=text)


def test_a_wrong_folder_is_one_sentence(tmp_path: Path) -> None:
    folder_of(tmp_path / "own", 1)
    (tmp_path / "empty").mkdir()
    for place, complaint in (
        (tmp_path / "nowhere", "distractors: folder .*nowhere' does not exist.* or write synthetic:COUNT"),
        (tmp_path / "own" / "000.jpg", "distractors: .* is a file, not a folder"),
        (tmp_path / "empty", "distractors: there is no image in"),
    ):
        with pytest.raises(WorkbenchError, match=complaint):
            wb.open(tmp_path / "own", cache=tmp_path, distractors=place)


def test_synthetic_ones_are_counted_and_said(tmp_path: Path) -> None:
    assert [synthetic_count(text) for text in ("", "/some/folder", "synthetic:1000000")] == [0, 0, 1_000_000]
    bench = wb.open(folder_of(tmp_path / "own", 2), cache=tmp_path, distractors="synthetic:1000")
    assert bench.collection.images == ("000.jpg", "001.jpg")
    assert any("1,000 synthetic distractors" in note for note in bench.collection.notes)


def test_they_are_ranked_as_negatives_and_whitening_does_not_see_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, more = folder_of(tmp_path / "own", 12, kinds=3), folder_of(tmp_path / "more", 9)
    alone = wb.open(own, "folders", cache=tmp_path).evaluate(PIPELINE)
    bench = wb.open(own, "folders", cache=tmp_path, distractors=more)
    both = bench.evaluate(PIPELINE)
    assert both.provenance["images"] == 21 and both.provenance["queries"] == 12
    assert both.provenance["whitening"][0]["vectors"] == alone.provenance["whitening"][0]["vectors"]
    assert (both.per_query["ap"] <= alone.per_query["ap"]).all()
    assert any("9 images of" in warning and "distractors" in warning for warning in both.warnings)
    ranking = bench.search("kind0/000.jpg", pipeline=PIPELINE, k=None)
    added = ranking[ranking["image_id"].str.startswith("distractors/")]
    assert len(ranking) == 21 and len(added) == 9 and set(added["relevance"]) == {"negative"}
    asked = bench.search("distractors/003.jpg", pipeline=PIPELINE, k=1)  # its file is found like any other
    assert asked["score"].tolist() == pytest.approx([1], abs=1e-3) and asked["relevance"].tolist() == [
        "query"
    ]
    assert bench.thumbnail("distractors/003.jpg")
    # The same by the command line.
    chosen = ["--labels", "folders", "--json", "--cache", str(tmp_path), "--distractors", str(more)]
    with pytest.raises(SystemExit):
        main(["evaluate", str(own), PIPELINE, *chosen])
    (printed,) = json.loads(capsys.readouterr().out)
    assert printed["mean_ap"] == pytest.approx(both.mean_ap)


def test_synthetic_ones_lower_numbers_and_are_no_results(tmp_path: Path) -> None:
    own = folder_of(tmp_path / "own", 12, kinds=3)
    aps = []
    for distractors in ("", "synthetic:100", "synthetic:3000"):
        bench = wb.open(own, "folders", cache=tmp_path, distractors=distractors)
        evaluation = bench.evaluate(PIPELINE)
        aps.append(evaluation.per_query["ap"])
        assert evaluation.provenance["distractors"] == distractors
        assert any("synthetic distractors" in one for one in evaluation.warnings) == bool(distractors)
        found = bench.search("kind0/000.jpg", pipeline=PIPELINE, k=None)
        assert sorted(found["image_id"]) == sorted(bench.collection.images)
    assert (aps[1] <= aps[0]).all() and (aps[2] <= aps[1]).all() and aps[2].mean() < aps[0].mean()
    assert len(bench.runs()) == 3 and len(set(bench.runs()["id"])) == 3  # remembered apart


def test_one_that_breaks_later_goes_to_the_report(tmp_path: Path) -> None:
    own, more = folder_of(tmp_path / "own", 3), folder_of(tmp_path / "more", 2)
    bench = wb.open(own, cache=tmp_path, distractors=more)
    whole = (more / "001.jpg").read_bytes()
    (more / "001.jpg").write_bytes(whole[: len(whole) // 2])
    ranking = bench.search("000.jpg", pipeline="efficientnet_lite0/max/whole", k=None)
    assert sorted(ranking["image_id"]) == ["000.jpg", "001.jpg", "002.jpg", "distractors/000.jpg"]
    assert set(ranking["relevance"]) == {"query", "unknown"}
    assert bench.collection.report["image"].tolist() == ["distractors/001.jpg"]


def test_what_a_region_finds_leaves_its_own_image_out(tmp_path: Path) -> None:
    bench = wb.open(folder_of(tmp_path / "own", 3), cache=tmp_path, distractors=folder_of(tmp_path / "m", 2))
    for image in ("001.jpg", "distractors/001.jpg"):
        found = bench.regions.nearest(image, 0, pipeline="efficientnet_lite0/max/rmac:2")
        assert image not in set(found["image_id"]) and len(found) == 4
