"""Thumbnails: computed once, stored on disk, and recomputed if the file has changed."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from xxhash import xxh3_128_digest

from tests.support.pictures import picture
from workbench.collections.thumbnails import thumbnail
from workbench.config.errors import WorkbenchError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture(1, (640, 480)).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.jpg"


def size(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((640, 480), (160, 120)), ((480, 640), (120, 160)), ((2000, 20), (160, 2)), ((80, 60), (80, 60))],
)
def test_the_longest_side_is_as_requested_and_small_images_keep_their_size(
    tmp_path: Path, shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    picture(2, shape).save(tmp_path / "one.jpg")
    assert size(thumbnail(tmp_path / "one.jpg", 160, None, tmp_path / "kept")) == expected


def test_a_box_crops_the_upright_image(tmp_path: Path, photo: Path) -> None:
    assert size(thumbnail(photo, 50, (100, 100, 200, 300), tmp_path / "kept")) == (25, 50)


def test_a_thumbnail_is_read_from_disk_by_another_process(tmp_path: Path, photo: Path) -> None:
    first = thumbnail(photo, 160, None, tmp_path / "kept")
    (path,) = (tmp_path / "kept").rglob("*.jpg")
    assert path.read_bytes()[: len(first)] == first
    stored = b"stored content"
    path.write_bytes(stored + xxh3_128_digest(stored))
    alias = tmp_path / "kept" / ".." / "kept"  # as in a new process, which has not used the folder
    assert thumbnail(photo, 160, None, alias) == stored
    path.write_bytes(stored + xxh3_128_digest(first))  # damaged
    another = tmp_path / "kept" / ".." / "kept" / ".." / "kept"
    assert thumbnail(photo, 160, None, another) == first


def test_the_thumbnail_of_a_changed_file_is_recomputed(tmp_path: Path, photo: Path) -> None:
    before = thumbnail(photo, 160, None, tmp_path / "kept")
    picture(9, (480, 640)).save(photo, quality=95)
    os.utime(photo, ns=(1, 1))
    assert size(thumbnail(photo, 160, None, tmp_path / "kept")) == (120, 160) != size(before)


def test_a_thumbnail_is_computed_when_the_folder_cannot_be_written(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    assert size(thumbnail(photo, 160, None, tmp_path / "kept")) == (160, 120)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="missing"):
        thumbnail(tmp_path / "none.jpg", 160, None, tmp_path / "kept")
