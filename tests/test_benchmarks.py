"""Oxford5k, Paris6k, Holidays and UKBench: small fakes in the layout of their releases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.pictures import plain, plains
from workbench.collections.holidays import open_holidays
from workbench.collections.oxford import PARIS_UNREADABLE, open_oxford
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.ukbench import open_ukbench
from workbench.config.errors import WorkbenchError

# Oxford5k and Paris6k


def truth(root: Path, name: str, query: str, **grades: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name}_query.txt").write_text(query + "\n")
    for grade in ("good", "ok", "junk"):
        (root / f"{name}_{grade}.txt").write_text(
            "".join(f"{stem}\n" for stem in grades.get(grade, "").split())
        )


def oxford(root: Path) -> Path:
    for number in (1, 3, 13, 26, 51):
        plain(root / f"all_souls_{number:06d}.jpg", (1024, 768))
    plain(root / "radcliffe_camera_000007.jpg")
    truth(
        root / "gt_files_170407",
        "all_souls_1",
        "oxc1_all_souls_000013 136.5 34.1 648.5 955.7",
        good="all_souls_000013 all_souls_000026",
        ok="all_souls_000051",
        junk="all_souls_000003",
    )
    return root


def test_oxford_is_read_in_its_published_layout(tmp_path: Path) -> None:
    collection = open_oxford(oxford(tmp_path), "oxford5k")
    (query,) = collection.queries
    assert (query.id, query.image) == ("all_souls_1", "all_souls_000013.jpg")
    assert query.box == (136.5, 34.1, 648.5, 955.7)
    assert collection.relevance["all_souls_1"] == {
        "all_souls_000013.jpg": "good",
        "all_souls_000026.jpg": "good",
        "all_souls_000051.jpg": "ok",
        "all_souls_000003.jpg": "junk",
    }
    assert len(collection.images) == 6 and query.image in collection.images
    assert collection.protocol == PROTOCOLS["oxford"]
    assert any("6 database images here and 5,063 as published" in note for note in collection.notes)


def test_missing_positive_is_an_error_and_missing_junk_a_problem(tmp_path: Path) -> None:
    root = oxford(tmp_path)
    (root / "all_souls_000003.jpg").unlink()
    collection = open_oxford(root, "oxford5k")
    assert "all_souls_000003.jpg" not in collection.relevance["all_souls_1"]
    assert [image for image, _ in collection.problems] == ["all_souls_000003"]
    (root / "all_souls_000026.jpg").unlink()
    (root / "all_souls_000013.jpg").unlink()
    with pytest.raises(WorkbenchError, match=r"2 of the 3 .*all_souls_000013, all_souls_000026"):
        open_oxford(root, "oxford5k")


def test_unreadable_positive_is_reported_and_noted(tmp_path: Path) -> None:
    root = oxford(tmp_path)
    (root / "all_souls_000026.jpg").write_bytes(b"")
    collection = open_oxford(root, "oxford5k")
    assert "all_souls_000026.jpg" not in collection.relevance["all_souls_1"]
    assert collection.problems == (("all_souls_000026.jpg", "the file is empty"),)
    assert any("1 images of Oxford5k cannot be read" in note for note in collection.notes)


@pytest.mark.parametrize(
    "line", ["", "oxc1_all_souls_000013 1 2 3", "oxc1_all_souls_000013 1 2 x 4", "a 5 5 1 1"]
)
def test_malformed_query_file_is_an_error(tmp_path: Path, line: str) -> None:
    root = oxford(tmp_path)
    (root / "gt_files_170407" / "all_souls_1_query.txt").write_text(line)
    with pytest.raises(WorkbenchError, match="not one line of a query"):
        open_oxford(root, "oxford5k")


def test_missing_ground_truth_is_an_error(tmp_path: Path) -> None:
    root = oxford(tmp_path)
    (root / "gt_files_170407" / "all_souls_1_ok.txt").unlink()
    with pytest.raises(
        WorkbenchError, match=r"all_souls_1_ok.txt.*does not exist.*fetch the ground truth again"
    ):
        open_oxford(root, "oxford5k")
    shutil.rmtree(root / "gt_files_170407")
    with pytest.raises(WorkbenchError, match=r"no ground truth.*workbench fetch oxford5k"):
        open_oxford(root, "oxford5k")


def test_paris_excludes_its_twenty_unreadable_files(tmp_path: Path) -> None:
    assert len(PARIS_UNREADABLE) == 20
    for number in (605, 606):
        plain(tmp_path / "paris" / "defense" / f"paris_defense_{number:06d}.jpg", (1024, 768))
    plain(tmp_path / "paris" / "general" / "paris_general_000001.jpg")
    bad = tmp_path / "paris" / "louvre" / "paris_louvre_000136.jpg"
    bad.parent.mkdir()
    bad.write_text("<html>302 Found</html>")
    truth(
        tmp_path / "gt",
        "defense_1",
        "paris_defense_000605 0.000 0.000 1024 768",
        good="paris_defense_000605 paris_defense_000606",
        ok="paris_louvre_000136 paris_pantheon_000284",  # one file is unreadable, the other is missing
    )
    collection = open_oxford(tmp_path, "paris6k")
    assert collection.queries[0].image == "paris/defense/paris_defense_000605.jpg"
    assert set(collection.relevance["defense_1"].values()) == {"good"}
    assert len(collection.images) == 3
    ((image, reason),) = collection.problems
    assert image == "paris/louvre/paris_louvre_000136.jpg" and "convention" in reason


def test_second_copy_of_a_file_is_excluded(tmp_path: Path) -> None:
    root = oxford(tmp_path)
    plain(root / "old" / "all_souls_000001.jpg")
    collection = open_oxford(root, "oxford5k")
    assert len(collection.images) == 6
    assert collection.problems[0][0] == "old/all_souls_000001.jpg"


# Holidays and UKBench


def test_holidays_is_read_in_its_published_layout(tmp_path: Path) -> None:
    plains(
        tmp_path / "jpg", "100000.jpg", "100001.jpg", "100002.jpg", "100100.jpg", "100101.jpg", "readme.jpg"
    )
    collection = open_holidays(tmp_path)
    assert [q.id for q in collection.queries] == ["jpg/100000.jpg", "jpg/100100.jpg"]
    assert dict(collection.relevance["jpg/100000.jpg"]) == {
        "jpg/100001.jpg": "positive",
        "jpg/100002.jpg": "positive",
    }
    assert len(collection.images) == 5 and collection.protocol == PROTOCOLS["holidays"]
    assert any("1,491 as published" in note for note in collection.notes)
    (tmp_path / "jpg" / "100100.jpg").unlink()
    with pytest.raises(WorkbenchError, match=r"1 of the 2 .*100100"):
        open_holidays(tmp_path)


def test_ukbench_is_read_in_its_published_layout(tmp_path: Path) -> None:
    for number in range(8):
        plains(tmp_path, f"full/ukbench{number:05d}.jpg", f"thumbnails/ukbench{number:05d}.jpg")
    collection = open_ukbench(tmp_path)
    assert len(collection.images) == len(collection.queries) == 8
    assert collection.relevance["full/ukbench00005.jpg"] == {
        f"full/ukbench0000{n}.jpg": "positive" for n in (4, 5, 6, 7)
    }
    assert collection.protocol is not None and collection.protocol.query_in_database
    assert collection.problems == ()
    (tmp_path / "full" / "ukbench00006.jpg").unlink()
    with pytest.raises(WorkbenchError, match=r"1 of the 8 .*ukbench00006"):
        open_ukbench(tmp_path)


def test_folder_without_benchmark_images_is_an_error(tmp_path: Path) -> None:
    plains(tmp_path, "a.jpg")
    for opener in (open_holidays, open_ukbench):
        with pytest.raises(WorkbenchError, match="no image in"):
            opener(tmp_path)
