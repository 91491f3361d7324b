"""Files that systems keep beside the user's own: skipped in folders and beside every ground truth."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from PIL import Image

from workbench.collections.catalog import open_collection
from workbench.config.errors import WorkbenchError

HIDDEN = ("._{}", "__MACOSX/{}", "__MACOSX/._{}", ".Trash/{}", "@eaDir/{}", "$RECYCLE.BIN/{}")


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path)


def litter(folder: Path, names: list[str]) -> None:
    """Put a damaged copy of each file where macOS, Windows and network disks put theirs."""
    for name in names:
        for pattern in HIDDEN:
            path = folder / pattern.format(name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"\0\0\0\1Bud1")


def test_hidden_files_of_a_folder_are_skipped(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "x/b.jpg", "y/c.jpg", "y/d.jpg"):
        image(tmp_path / name)
    litter(tmp_path, ["a.jpg"])
    litter(tmp_path / "x", ["a.jpg", "b.jpg"])
    collection = open_collection(tmp_path, "folders")
    assert collection.images == ("x/a.jpg", "x/b.jpg", "y/c.jpg", "y/d.jpg")
    assert collection.problems == () and len(collection.queries) == 4


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_hidden_files_and_byte_order_marks_of_oxford_are_skipped(tmp_path: Path, mark: str, end: str) -> None:
    for number in range(4):
        image(tmp_path / "jpg" / f"all_souls_00000{number}.jpg")
    truth = tmp_path / "gt"
    truth.mkdir()
    texts = {
        "query": "oxc1_all_souls_000000 1 2 30 20",
        "good": f"all_souls_000001{end}",
        "ok": f"all_souls_000002{end}{end}",
        "junk": "",
    }
    for kind, text in texts.items():
        (truth / f"all_souls_1_{kind}.txt").write_bytes((mark + text).encode())
    litter(truth, [f"all_souls_1_{kind}.txt" for kind in texts])
    litter(tmp_path / "jpg", ["all_souls_000000.jpg"])
    collection = open_collection(f"oxford5k:{tmp_path}")
    assert [(query.id, query.image) for query in collection.queries] == [
        ("all_souls_1", "jpg/all_souls_000000.jpg")
    ]
    assert collection.relevance["all_souls_1"] == {
        "jpg/all_souls_000001.jpg": "good",
        "jpg/all_souls_000002.jpg": "ok",
    }
    assert len(collection.images) == 4 and collection.problems == ()


@pytest.mark.parametrize(("encoding", "complaint"), [("latin-1", "Latin-1"), ("utf-16", "UTF-16")])
def test_an_oxford_text_in_another_encoding_is_reported(
    tmp_path: Path, encoding: str, complaint: str
) -> None:
    image(tmp_path / "café_000000.jpg")
    (tmp_path / "café_1_query.txt").write_text("café_000000 1 2 30 20", encoding=encoding)
    with pytest.raises(WorkbenchError, match=f"_query.txt' is not UTF-8 but {complaint}.*fetch"):
        open_collection(f"paris6k:{tmp_path}")


def test_hidden_files_of_other_benchmarks_are_skipped(tmp_path: Path) -> None:
    for number in (100000, 100001, 100100, 100101):
        image(tmp_path / "holidays" / f"{number}.jpg")
    litter(tmp_path / "holidays", ["100000.jpg", "100001.jpg"])
    assert len(open_collection(f"holidays:{tmp_path / 'holidays'}").images) == 4
    for number in range(4):
        image(tmp_path / "ukbench" / "full" / f"ukbench0000{number}.jpg")
    litter(tmp_path / "ukbench" / "full", ["ukbench00000.jpg"])
    assert len(open_collection(f"ukbench:{tmp_path / 'ukbench'}").images) == 4
    root = tmp_path / "revisited"
    for stem in ("a", "b", "q"):
        image(root / "jpg" / f"{stem}.jpg")
    relations = [{"bbx": [0, 0, 9, 9], "easy": [0], "hard": [], "junk": []}]
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "gnd_roxford5k.pkl").write_bytes(b"\0\5\x16\7")
    content = {"imlist": ["a", "b"], "qimlist": ["q"], "gnd": relations}
    (root / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(content))
    litter(root / "jpg", ["a.jpg", "q.jpg"])
    assert open_collection(f"roxford5k:{root}").images == ("jpg/a.jpg", "jpg/b.jpg")


def test_equal_names_of_folders_are_noted_and_can_be_joined(tmp_path: Path) -> None:
    for name in ("train/cat/0", "train/cat/1", "test/cat/0", "test/dog/0", "train/dog/0", "test/dog/1"):
        image(tmp_path / f"{name}.jpg")
    apart = open_collection(tmp_path, "folders")
    assert set(apart.labels.values()) == {"train/cat", "test/cat", "train/dog", "test/dog"}
    (note,) = apart.notes
    assert "'test/cat' and 'train/cat' are two labels" in note and "folders:last" in note
    joined = open_collection(tmp_path, "folders:last")
    assert set(joined.labels.values()) == {"cat", "dog"} and joined.notes == ()
    assert len(joined.queries) == 6 and not joined.unjudged
    assert dict(joined.relevance["test/cat/0.jpg"]) == {
        "train/cat/0.jpg": "positive",
        "train/cat/1.jpg": "positive",
    }
    assert dict(apart.unjudged) == {
        "test/cat/0.jpg": "the only image of its label",
        "train/dog/0.jpg": "the only image of its label",
    }


def test_different_names_of_folders_are_not_noted(tmp_path: Path) -> None:
    for name in ("a/cat/0", "a/cat/1", "b/dog/0", "b/dog/1"):
        image(tmp_path / f"{name}.jpg")
    assert open_collection(tmp_path, "folders").notes == ()
