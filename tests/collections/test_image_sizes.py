"""The size in the header of a file is the size of its pixels, for every format and orientation."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from tests.collections.test_images import BLUE, GREEN, RED, UPRIGHT, WHITE, corners, near, quarters
from workbench.collections.images import load, read_header

FORMATS: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 95, "subsampling": 0},
    "png": {},
    "tiff": {},
    "tif": {"compression": "tiff_lzw"},
    "webp": {"lossless": True},
    "jxl": {"lossless": True},
    "heic": {"quality": 100},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}
WITHOUT_EXIF = ["gif", "bmp", "ppm", "jp2", "j2k", "mpo"]
PACKAGES = {"jxl": "pillow_jxl", "heic": "pillow_heif"}


def require(suffix: str) -> None:
    package = PACKAGES.get(suffix)
    if package == "pillow_heif":
        pytest.importorskip(package).register_heif_opener()
    elif package:
        pytest.importorskip(package)
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", FORMATS)
def test_header_size_equals_loaded_size(tmp_path: Path, suffix: str, orientation: int) -> None:
    require(suffix)
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    corners(96, 64).save(path, exif=exif.tobytes(), **FORMATS[suffix])
    header, image = read_header(path), load(path)
    assert (header.width, header.height) == image.size == ((64, 96) if orientation >= 5 else (96, 64))
    assert near(quarters(image), *UPRIGHT[orientation])
    crop = load(path, (0, 0, header.width, header.height / 2), (8, 8))
    assert crop.width / crop.height == pytest.approx(header.width / (header.height / 2), rel=0.1)


@pytest.mark.parametrize("suffix", WITHOUT_EXIF)
def test_formats_without_orientation_keep_their_size(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plain.{suffix}"
    corners(50, 30).save(path)
    header, image = read_header(path), load(path)
    assert (header.width, header.height) == image.size == (50, 30)
    if suffix != "mpo":
        assert near(quarters(image), RED, GREEN, BLUE, WHITE)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_tiff_scores_as_the_png_of_the_same_pixels(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("png", "tiff"):
        corners(40, 24).save(tmp_path / f"a.{suffix}", exif=exif)
    first, second = (np.asarray(load(tmp_path / f"a.{suffix}")) for suffix in ("png", "tiff"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_the_orientation_of_a_deep_tiff_is_applied(tmp_path: Path, orientation: int) -> None:
    ramp = np.zeros((24, 40, 3), np.uint16)
    ramp[:, :20, 0] = 65535
    tifffile.imwrite(
        tmp_path / "deep.tif", ramp.transpose(2, 0, 1), photometric="rgb", planarconfig="separate",
        extratags=[(274, "H", 1, orientation, True)], metadata=None,
    )  # fmt: skip
    header, image = read_header(tmp_path / "deep.tif"), load(tmp_path / "deep.tif")
    assert (header.width, header.height) == image.size == ((24, 40) if orientation > 4 else (40, 24))
    red = {1: (5, 12), 6: (12, 5), 8: (12, 35)}[orientation]  # rows from the top, columns from the left
    assert image.getpixel(red) == RED


def test_an_orientation_after_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    corners(40, 24).save(path, exif=exif)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    size = 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, rest = content[start : start + size], content[:start] + content[start + size :]
    path.write_bytes(rest[:-12] + chunk + rest[-12:])
    header = read_header(path)
    assert (header.width, header.height) == load(path).size == (24, 40)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (1, 1)])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_very_long_images_are_read(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    path = tmp_path / f"long.{suffix}"
    Image.new("RGB", size, "teal").save(path)
    header = read_header(path)
    assert (header.width, header.height) == load(path).size == size


def test_damaged_exif_does_not_refuse_an_image(tmp_path: Path) -> None:
    corners().save(tmp_path / "a.jpg", exif=b"Exif\0\0not a directory at all", quality=95)
    header = read_header(tmp_path / "a.jpg")
    assert (header.width, header.height) == load(tmp_path / "a.jpg").size == (64, 48)


def test_plugins_are_imported_only_for_their_formats(tmp_path: Path) -> None:
    import subprocess
    import sys

    corners().save(tmp_path / "a.jpg")
    code = (
        "import sys; from pathlib import Path; from workbench.collections import folder\n"
        f"folder.open_folder(Path({str(tmp_path)!r}))\n"
        "assert not {'pillow_heif', 'pillow_jxl', 'tifffile', 'cv2'} & set(sys.modules)"
    )
    assert importlib.util.find_spec("workbench")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
