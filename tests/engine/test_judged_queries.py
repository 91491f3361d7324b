"""How many queries a mAP is of, which are not judged, and why; and ground truth that changes afterwards."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path

import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import picture
from workbench.bench.bench import Bench

PIPELINE = f"{NETWORK}/mean/whole"


def photos(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed).save(root / name, quality=90)


def opened(name: str | Path, cache: Path, labels: str = "none") -> Bench:
    return wb.open(name, labels, cache=cache, size=96, device="cpu", precision="float32")


def oxford(root: Path, boxes: dict[str, str]) -> None:
    photos(root, *(f"a_00000{number}.jpg" for number in range(5)))
    for number, (truth, box) in enumerate(boxes.items()):
        (root / f"{truth}_query.txt").write_text(f"oxc1_a_00000{number} {box}")
        (root / f"{truth}_good.txt").write_text("a_000003\na_000004\n")
        (root / f"{truth}_ok.txt").write_text("")
        (root / f"{truth}_junk.txt").write_text("")


def test_an_oxford_box_outside_its_image_loses_the_query_and_keeps_the_image(tmp_path: Path) -> None:
    oxford(tmp_path / "oxford", {"a_1": "0 0 60 60", "a_2": "500 500 600 600"})
    bench = opened(f"oxford5k:{tmp_path / 'oxford'}", tmp_path / "cache")
    evaluation = bench.evaluate(PIPELINE)
    assert evaluation.judged == 1 and list(evaluation.unjudged) == ["a_2"]
    assert "holds no pixel" in evaluation.unjudged["a_2"]
    assert "a_000001.jpg" in bench.collection.images and bench.collection.problems == ()
    (note,) = (note for note in evaluation.warnings if "not judged" in note)
    assert note.startswith("1 of 2 queries are not judged: 'a_2' (")
    assert evaluation.provenance["judged"] == 1
    comparison = bench.compare([PIPELINE])
    assert comparison.table["judged"].tolist() == ["1 of 2 queries"]
    assert ">1 of 2<" in comparison._repr_html_()


def test_an_unreadable_query_and_positive_are_said(tmp_path: Path) -> None:
    oxford(tmp_path / "oxford", {"a_1": "0 0 60 60", "a_2": "0 0 60 60"})
    (tmp_path / "oxford" / "a_000001.jpg").write_bytes(b"no image")
    (tmp_path / "oxford" / "a_000003.jpg").write_bytes(b"no image")
    evaluation = opened(f"oxford5k:{tmp_path / 'oxford'}", tmp_path / "cache").evaluate(PIPELINE)
    assert evaluation.judged == 1
    assert evaluation.unjudged == {"a_2": "its image cannot be read: the content is not an image"}
    assert any("judged without positives" in note for note in evaluation.warnings)


def test_settings_without_positives_are_counted(tmp_path: Path) -> None:
    photos(tmp_path, "jpg/x.jpg", "jpg/y.jpg", "jpg/q.jpg", "jpg/r.jpg", "jpg/s.jpg")
    relations = [
        {"bbx": [0, 0, 60, 60], "easy": [0], "hard": [1], "junk": []},
        {"bbx": [0, 0, 60, 60], "easy": [0], "hard": [], "junk": []},
        {"bbx": [0, 0, 60, 60], "easy": [], "hard": [], "junk": [1]},
    ]
    content = {"imlist": ["x", "y"], "qimlist": ["q", "r", "s"], "gnd": relations}
    (tmp_path / "gnd_rparis6k.pkl").write_bytes(pickle.dumps(content))
    evaluation = opened(f"rparis6k:{tmp_path}", tmp_path / "cache").evaluate(PIPELINE)
    assert evaluation.judged == 2
    assert evaluation.unjudged == {"s": "it has no positive in the database"}
    assert evaluation.provenance["judged_settings"] == {"easy": 2, "medium": 2, "hard": 1}
    assert math.isnan(evaluation.per_query.set_index("query")["ap"]["s"])


def test_a_folder_says_which_images_have_no_positive(tmp_path: Path) -> None:
    photos(tmp_path / "p", "x/0.jpg", "x/1.jpg", "y/2.jpg", "z/3.jpg", "4.jpg")
    (tmp_path / "p" / "z" / "bad.jpg").write_bytes(b"no image")
    evaluation = opened(tmp_path / "p", tmp_path / "cache", "folders").evaluate(PIPELINE)
    assert evaluation.judged == 2
    assert evaluation.unjudged == {
        "y/2.jpg": "the only image of its label",
        "z/3.jpg": "the other image of its label cannot be read",
        "z/bad.jpg": "its image cannot be read: the content is not an image",
    }


def test_nothing_to_judge_is_said_with_the_reason(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "labels.csv").write_text("path,label\na.jpg,x\nlost.jpg,x\nb.jpg,y\n")
    bench = opened(tmp_path / "labels.csv", tmp_path / "cache")
    with pytest.raises(wb.WorkbenchError, match=r"none of the 3 queries .* cannot be read"):
        bench.evaluate(PIPELINE)
    assert len(bench.search("a.jpg", pipeline=PIPELINE)) == 2


def test_all_queries_judged_gives_no_note(bench24: Bench) -> None:
    evaluation = bench24.evaluate(PIPELINE)
    assert evaluation.judged == 24 and evaluation.unjudged == {}
    assert not any("judged" in note for note in evaluation.warnings)


def test_a_ground_truth_that_changes_is_noted(tmp_path: Path) -> None:
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.jpg,x\nb.jpg,x\nc.jpg,y\nd.jpg,y\n")
    bench = opened(table, tmp_path / "cache")

    def noted() -> bool:
        notes = bench.evaluate(PIPELINE).warnings
        return any("'labels.csv') has changed since the collection was opened" in note for note in notes)

    assert not noted()
    status = os.stat(table)
    original = table.read_text()
    table.write_text("path,label\na.jpg,y\nb.jpg,x\nc.jpg,x\nd.jpg,y\n")  # of equal size
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert noted() and noted()
    table.write_text(original)
    assert not noted()
    table.unlink()
    assert noted()


@pytest.mark.parametrize("labels", ["folders", "folders:last"])
def test_an_image_that_moves_to_another_folder_is_noted(tmp_path: Path, labels: str) -> None:
    photos(tmp_path, *(f"{folder}/{name}.jpg" for folder in "xy" for name in "abc"))
    bench = opened(tmp_path, tmp_path / "cache", labels)

    def noted() -> bool:
        notes = bench.search("x/a.jpg", pipeline=PIPELINE).attrs["warnings"]
        return any("has changed since the collection was opened" in note for note in notes)

    assert not noted()
    (tmp_path / "y" / "notes.txt").write_text("no image")
    assert not noted()
    (tmp_path / "x" / "c.jpg").rename(tmp_path / "y" / "d.jpg")
    assert noted()
    (tmp_path / "y" / "d.jpg").rename(tmp_path / "x" / "c.jpg")
    assert not noted()
