"""Folders of images, and the names under which collections are opened."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.support.pictures import plain, plains
from workbench.collections.catalog import catalog, open_collection
from workbench.collections.folder import list_images, open_folder
from workbench.collections.protocols import PROTOCOLS
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError

# Folders


def test_a_folder_is_listed_recursively_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    plains(tmp_path, "b.jpg", "a.PNG", "deep/er/c.webp", ".hidden.jpg", ".cache/d.jpg")
    (tmp_path / "notes.txt").write_text("no image")
    collection = open_folder(tmp_path)
    assert collection.images == ("a.PNG", "b.jpg", "deep/er/c.webp")
    assert collection.queries == () and collection.protocol is None
    assert collection.report.empty and list(collection.report.columns) == ["image", "reason"]
    assert collection.path("deep/er/c.webp").is_file()


def test_unreadable_files_are_reported_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    plains(tmp_path, "good.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "words.png").write_text("not a picture")
    (tmp_path / "phone.HEIC").write_bytes(b"ftypheic")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # opening it would block
    collection = open_folder(tmp_path)
    assert collection.images == ("good.jpg",)
    reasons = dict(collection.problems)
    assert set(reasons) == {"empty.jpg", "words.png", "phone.HEIC", "lost.jpg", "pipe.jpg"}
    assert "empty" in reasons["empty.jpg"] and "not an image" in reasons["words.png"]
    assert "convert" in reasons["phone.HEIC"]


@pytest.mark.parametrize(
    "name", ["🦊 fox.jpg", 'it\'s "it".jpg', "<script>alert(1)<b>.jpg", "two\nlines.jpg", "a#2.jpg"]
)
def test_any_file_name_is_a_valid_id(tmp_path: Path, name: str) -> None:
    plains(tmp_path, name)
    assert open_folder(tmp_path).images == (name,)


def test_a_name_that_is_not_utf8_is_reported_as_text(tmp_path: Path) -> None:
    plains(tmp_path, "good.jpg")
    Image.new("RGB", (4, 4)).save(
        os.path.join(os.fsencode(tmp_path), b"caf\xe9.png").decode("utf-8", "surrogateescape")
    )
    collection = open_folder(tmp_path)
    assert collection.images == ("good.jpg",)
    ((name, reason),) = collection.problems
    assert name.encode("utf-8") and "UTF-8" in reason


def test_cyclic_links_end_and_outside_folders_are_followed_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    plains(root, "a.jpg", "sub/b.jpg")
    plains(outside, "c.jpg")
    (root / "sub" / "up").symlink_to(root)
    (root / "copy").symlink_to(root / "sub")
    (root / "linked").symlink_to(outside)
    (root / "again").symlink_to(outside)
    (outside / "back").symlink_to(root)
    (root / "parent").symlink_to(tmp_path)
    names, problems = list_images(root)
    assert [n for n in names if n.endswith(("a.jpg", "b.jpg"))] == ["a.jpg", "sub/b.jpg"]
    assert len([n for n in names if n.endswith("c.jpg")]) == 1 and problems == ()


def drop_rights() -> None:
    """Run this process as an unprivileged user, because root may open any folder."""
    Image.init()  # imports plugins that may not be readable afterwards
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's temporary folders."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    yield root
    for folder in root.iterdir():
        folder.chmod(0o777)
    shutil.rmtree(root)


def test_an_inaccessible_folder_is_reported_and_an_inaccessible_root_is_an_error(public_folder: Path) -> None:
    """In a separate process, because the user id applies to the whole process."""
    plains(public_folder, "a.jpg", "closed/b.jpg")
    (public_folder / "closed").chmod(0)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, context, initializer=drop_rights) as unprivileged:
        collection = unprivileged.submit(open_folder, public_folder).result(60)
        assert collection.images == ("a.jpg",)
        assert collection.problems == (("closed", "the folder cannot be opened: Permission denied"),)
        with pytest.raises(WorkbenchError, match="Permission denied"):
            unprivileged.submit(open_folder, public_folder / "closed").result(60)


def test_missing_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="does not exist"):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(WorkbenchError, match="no image and no video in"):
        open_folder(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(WorkbenchError, match="is a file"):
        open_folder(tmp_path / "a.jpg")
    with pytest.raises(WorkbenchError, match=r"none of the 1 images .* can be read.*empty"):
        open_folder(tmp_path)


def test_subfolders_are_read_as_labels(tmp_path: Path) -> None:
    plains(
        tmp_path,
        "alone.jpg",
        "cat/1.jpg",
        "cat/2.jpg",
        "cat/3.jpg",
        "dog/1.jpg",
        "x/cat/1.jpg",
        "x/cat/2.jpg",
    )
    (tmp_path / "dog" / "2.jpg").touch()  # unreadable: the other dog has no positive
    collection = open_folder(tmp_path, labels="folders")
    assert collection.protocol == PROTOCOLS["labels"]
    assert [q.id for q in collection.queries] == [
        "cat/1.jpg",
        "cat/2.jpg",
        "cat/3.jpg",
        "x/cat/1.jpg",
        "x/cat/2.jpg",
    ]
    assert all(q.image == q.id and q.box is None for q in collection.queries)
    assert dict(collection.relevance["cat/2.jpg"]) == {"cat/1.jpg": "positive", "cat/3.jpg": "positive"}
    assert dict(collection.relevance["x/cat/1.jpg"]) == {"x/cat/2.jpg": "positive"}
    assert collection.relevance["cat/1.jpg"].get("cat/1.jpg") is None
    assert {"alone.jpg", "dog/1.jpg"} <= set(collection.images)
    assert collection.labels["x/cat/1.jpg"] == "x/cat" and "alone.jpg" not in collection.labels
    reduced = collection.without([("cat/3.jpg", "lost")])
    assert reduced.relevance["cat/2.jpg"] == {"cat/1.jpg": "positive"} and len(reduced.queries) == 4


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    plains(tmp_path, "a.jpg", "b.jpg", "one/c.jpg")
    with pytest.raises(WorkbenchError, match=r"no subfolder .* two or more"):
        open_folder(tmp_path, labels="folders")


def test_the_relevance_of_a_large_label_takes_little_memory(tmp_path: Path) -> None:
    """Explicit relations would have 16 million entries; they are computed on demand."""
    plain(tmp_path / "all" / "0.jpg")
    for number in range(1, 4000):
        os.link(tmp_path / "all" / "0.jpg", tmp_path / "all" / f"{number}.jpg")
    collection = open_folder(tmp_path, labels="folders")
    assert len(collection.relevance) == 4000
    assert all(len(grades) == 3999 for grades in collection.relevance.values())


def test_opening_can_be_cancelled(tmp_path: Path) -> None:
    plain(tmp_path / "0.jpg")
    for number in range(1, 300):
        os.link(tmp_path / "0.jpg", tmp_path / f"{number}.jpg")
    steps: list[tuple[int, int]] = []

    def stop(label: str, done: int, total: int) -> None:
        steps.append((done, total))
        raise Cancelled

    with pytest.raises(Cancelled):
        open_folder(tmp_path, progress=stop)
    assert steps == [(50, 300)]


# Names


def holidays(root: Path) -> None:
    plains(root, "100000.jpg", "100001.jpg")


def test_collection_names_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    holidays(cache / "holidays")
    holidays(tmp_path / "elsewhere")
    plains(tmp_path / "home" / "photos", "x/a.jpg", "x/b.jpg")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_collection("holidays", cache=cache).root == cache / "holidays"
    assert open_collection(f"holidays:{tmp_path / 'elsewhere'}", cache=cache).root == tmp_path / "elsewhere"
    assert open_collection("~/photos", cache=cache).images == ("x/a.jpg", "x/b.jpg")
    assert len(open_collection(tmp_path / "home" / "photos", "folders", cache).queries) == 2
    file = tmp_path / "home" / "photos" / "labels.csv"
    file.write_text("path,label\nx/a.jpg,cat\nx/b.jpg,cat\n")
    assert len(open_collection(str(file), cache=cache).queries) == 2
    # A folder that is called as a benchmark is reached by a path.
    plains(tmp_path / "holidays", "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert open_collection("./holidays", cache=cache).images == ("a.jpg",)
    assert open_collection(Path("holidays"), cache=cache).images == ("a.jpg",)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("roxford5k", "roxford5k is not in .*cache.*workbench fetch roxford5k"),
        ("holidays:", "holidays is not in"),
        ("ukbench:/no/such/place", "ukbench is not in '/no/such/place'"),
        ("flickr30k", "neither a folder nor a collection; valid: posters, reels, oxford5k"),
        ("C:\\photos", "neither a folder nor a collection"),
        ("table.csv", "table.csv' does not exist"),
        ("a.jpg", "is a file; a collection is a folder"),
    ],
)
def test_an_unknown_name_is_refused_with_the_valid_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, complaint: str
) -> None:
    plains(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkbenchError, match=complaint):
        open_collection(name, cache=tmp_path / "cache")


def test_an_unknown_kind_of_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="labels 'subfolders' is not known; valid: none, folders"):
        open_collection(tmp_path, labels="subfolders", cache=tmp_path)


def test_the_catalog_lists_published_sizes_and_present_collections(tmp_path: Path) -> None:
    holidays(tmp_path / "holidays")
    entries = {entry.name: entry for entry in catalog(tmp_path)}
    assert [name for name, entry in entries.items() if entry.present] == ["holidays"]
    sizes = {name: (entry.images, entry.queries) for name, entry in entries.items()}
    assert sizes.pop("posters") == (630, 60) and sizes.pop("reels") == (575, 30)  # at one moment a second
    assert sizes == {  # as stated by the papers and the dataset pages
        "oxford5k": (5063, 55),
        "paris6k": (6412 - 20, 55),
        "roxford5k": (5063 - 70, 70),
        "rparis6k": (6392 - 70, 70),
        "holidays": (1491, 500),
        "ukbench": (10200, 10200),
    }


def test_the_repr_of_a_collection_is_one_line(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    text = repr(open_folder(tmp_path))
    assert text == f"{tmp_path.name}: 1 images, 1 unreadable, 0 queries, no ground truth"
