"""The state of files changes at once with any of them, and is not looked up while nothing changes."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.collections import watched_files
from workbench.collections.watched_files import WatchedFiles

Change = Callable[[Path], object]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="changes are reported by Linux only")


def place(folder: Path, name: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"picture")
    return folder / name


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photographs of all kinds: in folders, hard links, links to files, to folders and to links."""
    root = tmp_path / "disk" / "photos"
    for name in ("a.jpg", "cats/b.jpg", "cats/old/c.jpg", "../far/d.jpg", "../linked/e.jpg", "../deep/f.jpg"):
        place(root, name)
    (root / "hard.jpg").hardlink_to(place(tmp_path, "disk/other.jpg"))
    (root / "link.jpg").symlink_to("chain.jpg")
    (root / "chain.jpg").symlink_to(root / "../far/d.jpg")
    (root / "linked").symlink_to("../linked")
    (root / "between").symlink_to("../deep")
    return root


NAMES = (
    "a.jpg",
    "cats/b.jpg",
    "cats/old/c.jpg",
    "hard.jpg",
    "link.jpg",
    "linked/e.jpg",
    "between/f.jpg",
    "new.jpg",
)


def replace(path: Path) -> None:
    os.replace(place(path.parent, "part"), path)


def swap(folder: Path) -> None:
    """Put an equal folder in place of another."""
    away = folder.with_name("away")
    folder.rename(away)
    for path in away.rglob("*.jpg"):
        os.link(path, place(folder, str(path.relative_to(away))).with_suffix(".new"))


def retarget(link: Path) -> None:
    target = place(link.parent.parent, "elsewhere/" + ("x.jpg" if link.suffix else "f.jpg"))
    link.unlink()
    link.symlink_to(target if link.suffix else target.parent)


def map_memory(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] = 0


CHANGES: dict[str, Change] = {
    "written": lambda root: (root / "a.jpg").write_bytes(b"PICTURE"),
    "appended": lambda root: (root / "cats/b.jpg").open("ab").write(b"more"),
    "mapped": lambda root: map_memory(root / "cats/old/c.jpg"),
    "replaced": lambda root: replace(root / "cats/old/c.jpg"),
    "touched": lambda root: os.utime(root / "a.jpg"),
    "times set": lambda root: os.utime(root / "a.jpg", ns=(1, 1)),
    "deleted": lambda root: (root / "a.jpg").unlink(),
    "renamed": lambda root: (root / "a.jpg").rename(root / "z.jpg"),
    "added": lambda root: place(root, "new.jpg"),
    "hard link": lambda root: (root / "../other.jpg").write_bytes(b"PICTURE"),
    "target of links": lambda root: (root / "../far/d.jpg").write_bytes(b"PICTURE"),
    "target replaced": lambda root: replace(root / "../far/d.jpg"),
    "target's folder": lambda root: swap(root / "../far"),
    "link": lambda root: retarget(root / "link.jpg"),
    "second link": lambda root: retarget(root / "chain.jpg"),
    "in a linked folder": lambda root: (root / "../linked/e.jpg").write_bytes(b"PICTURE"),
    "linked folder": lambda root: retarget(root / "between"),
    "folder": lambda root: swap(root / "cats"),
    "inner folder": lambda root: swap(root / "cats/old"),
    "whole folder": lambda root: swap(root),
    "folder above": lambda root: swap(root.parent),
}


@on_linux
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_is_seen_at_once(change: Change, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_files, "_INTERVAL", 1000.0)
    files = WatchedFiles(str(photos / name) for name in NAMES)
    before = files.state()
    assert files.state() == before and files.state() == before
    change(photos)
    changed = files.state()
    assert changed != before
    if not (photos / "a.jpg").exists():  # a change after a change
        photos.mkdir(parents=True, exist_ok=True)
    place(photos, "a.jpg")
    assert files.state() != changed


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths whose stamps are looked up from now on."""
    looked_up: list[str] = []
    plain = watched_files._stamp_of

    def stamp_of(path: str) -> object:
        looked_up.append(path)
        return plain(path)

    monkeypatch.setattr(watched_files, "_stamp_of", stamp_of)
    return looked_up


@on_linux
def test_nothing_is_looked_up_while_nothing_changes(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_files, "_INTERVAL", 1000.0)
    files = WatchedFiles(str(photos / name) for name in NAMES)
    state = files.state()
    assert files.state() == state
    looked_up = counted(monkeypatch)
    (photos / "a.jpg").read_bytes()
    place(photos, "a note.txt").write_bytes(b"more")  # no file of these
    assert files.state() == state and not looked_up


@pytest.mark.parametrize("why", ["no inotify", "network", "no watches left"])
def test_stamps_are_compared_where_changes_are_not_reported(
    why: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(why)

    name = {"no inotify": "__init__", "network": "is_local", "no watches left": "watch"}[why]
    monkeypatch.setattr(watched_files.Inotify, name, (lambda *_: False) if why == "network" else refuse)
    monkeypatch.setattr(watched_files, "_INTERVAL", 1000.0)
    files = WatchedFiles(str(photos / name) for name in NAMES)
    state = files.state()
    for number in range(3):
        assert files.state() == state
        os.utime(photos / "a.jpg", ns=(number, number))
        before, state = state, files.state()
        assert state != before
    looked_up = counted(monkeypatch)
    assert files.state() == state and len(looked_up) == len(NAMES)


@on_linux
def test_what_is_not_reported_is_seen_after_some_seconds(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_files, "_INTERVAL", 0.0)
    monkeypatch.setattr(watched_files, "_SHARE", 0.0)
    files = WatchedFiles(str(photos / name) for name in NAMES)
    before = files.state()
    assert files.state() == before
    (photos / "../later").hardlink_to(photos / "a.jpg")
    (photos / "../later").write_bytes(b"through another name")
    assert files.state() != before


@on_linux
def test_a_forked_process_takes_no_changes_from_its_parent(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_files, "_INTERVAL", 1000.0)
    files = WatchedFiles(str(photos / name) for name in NAMES)
    before = files.state()
    assert files.state() == before
    (photos / "a.jpg").write_bytes(b"PICTURE")
    if not (child := os.fork()):
        os._exit(files.state() == before)
    assert os.waitpid(child, 0)[1] == 0
    assert files.state() != before
