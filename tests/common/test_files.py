"""Atomic writes: a file has its old or its new content, never a part of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from workbench.common.files import replace_file, replacing
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
