"""Atomic writes: a file has its old or its new content, never a part of it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.common.files import replace_file, replacing, write_output
from workbench.config.errors import WorkbenchError


@pytest.mark.parametrize("unique", [True, False])
def test_an_error_keeps_the_old_file_and_leaves_no_partial_file(unique: bool, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path, unique) as part:
        part.write_bytes(b"new")
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"] and path.read_bytes() == b"old"
    with replacing(path, unique) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"] and path.read_bytes() == b"new"


def test_concurrent_writers_use_different_partial_files(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    with replacing(path) as first, replacing(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"  # the outer context replaces the file last


WRITER = """
import sys, time
from pathlib import Path
from workbench.common.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_the_part_of_a_killed_process_is_swept_and_that_of_a_live_one_is_not(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / name], stdout=subprocess.PIPE)
        for name in ("killed", "alive")
    ]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == b"begun\n"
    writers[0].kill()
    writers[0].wait()
    foreign = tmp_path / "download.part"
    foreign.write_bytes(b"of another program")
    assert len(list(tmp_path.glob(".*.part"))) == 2
    with replacing(tmp_path / "new") as part:
        part.write_bytes(b"new")
    (alive,) = tmp_path.glob(".*.part")
    assert alive.name.startswith(".alive.") and foreign.exists()
    writers[1].kill()
    writers[1].wait()
    replace_file(tmp_path / "other.bin", b"")  # this process has swept the folder: the next one does
    assert alive.exists() and foreign.exists()


def test_an_output_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "page.html").symlink_to(tmp_path / "target.html")
    write_output(tmp_path / "page.html", "caf\u00e9 \ud800", "page")
    assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "target.html").read_bytes() == "café ?".encode()
    for path in (Path("/dev/null"), tmp_path / "missing" / "page.html", tmp_path, tmp_path / "nul\0.html"):
        with pytest.raises(WorkbenchError, match=r"page '.*' cannot be written: .*; choose another folder"):
            write_output(path, "text", "page")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "target.html"]


def test_a_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    for private in (True, False):
        with replacing(tmp_path / "file.txt", private=private) as part:
            part.write_text("text")
        mode = stat.S_IMODE((tmp_path / "file.txt").stat().st_mode)
        assert (mode == 0o600) == private and mode & 0o600 == 0o600


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")  # a file at the path of the folder
    with pytest.raises(WorkbenchError, match=r"file\.bin.*cannot be written.*--cache"):
        replace_file(tmp_path / "folder" / "file.bin", b"content")
    replace_file(tmp_path / "new" / "file.bin", b"content")
    assert (tmp_path / "new" / "file.bin").read_bytes() == b"content"
