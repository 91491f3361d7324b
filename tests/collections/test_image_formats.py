"""Files that are no readable images are listed with what they are and which package reads them."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.collections.test_images import GREEN, RED, WHITE, corners, near, quarters
from workbench.collections.declared_size import declared_size, jxl_orientation
from workbench.collections.folder import open_folder
from workbench.collections.images import load, read_header
from workbench.config.errors import WorkbenchError

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
RAW = (
    "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f".split()
)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        *((f"photo.{suffix.upper()}", b"II*\0", "rawpy reads") for suffix in RAW),
        ("drawing.psd", b"8BPS\0\1", "Photoshop document, which psd-tools reads"),
        ("pointer.jpg", LFS, "Git LFS pointer.*git lfs pull"),
        ("annexed.jpg", b"/annex/objects/SHA256E-s1--a.jpg\n", "git annex get"),
        ("page.jpg", b"<!DOCTYPE html><html></html>", "web page"),
        ("layers.jpg", b"8BPS\0\1\0\0\0\0", "Photoshop"),
        ("canon.jpg", b"\0\0\0\x18ftypcrx \0\0\0\1", "raw photograph"),
        ("fuji.tif", b"FUJIFILMCCD-RAW 0201", "raw photograph"),
        ("zeros.jpg", bytes(3000), "only zero bytes"),
        ("light.exr", b"\x76\x2f\x31\x01", "OpenEXR"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run", "PostScript"),
        ("vector.svg", b"<svg/>", "vector drawing"),
    ],
)
def test_other_files_are_listed_with_what_they_are(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    corners().save(tmp_path / "good.png")
    (tmp_path / name).write_bytes(content)
    collection = open_folder(tmp_path)
    assert collection.images == ("good.png",)
    ((listed, why),) = collection.problems
    assert listed == name
    with pytest.raises(WorkbenchError, match=reason):
        raise WorkbenchError(why)


@pytest.mark.parametrize(
    ("module", "suffixes", "package"),
    [("pillow_heif", ["heic", "heif", "HIF"], "pillow-heif"), ("pillow_jxl", ["jxl"], "pillow-jxl-plugin")],
)
def test_formats_of_packages_that_are_not_installed_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, suffixes: list[str], package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    corners().save(tmp_path / "good.png")
    for suffix in suffixes:
        (tmp_path / f"a.{suffix}").write_bytes(b"anything")
    assert open_folder(tmp_path).report["reason"].str.contains(f"install {package}").sum() == len(suffixes)


@pytest.mark.parametrize(
    ("head", "package"),
    [(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow-heif"), (b"\xff\x0a" + bytes(40), "pillow-jxl-plugin")],
)
def test_a_name_that_hides_the_format_is_seen_through(tmp_path: Path, head: bytes, package: str) -> None:
    (tmp_path / "phone.jpg").write_bytes(head)
    code = (
        "import sys; from pathlib import Path; from workbench.collections.images import read_header\n"
        "sys.modules.update(pillow_heif=None, pillow_jxl=None)\n"
        f"read_header(Path({str(tmp_path / 'phone.jpg')!r}))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"WorkbenchError: a {'HEIC' if 'heif' in package else 'JPEG XL'} image" in process.stderr
    assert f"install {package}" in process.stderr


@pytest.mark.parametrize("suffix", ["heic", "jxl"])
def test_images_of_installed_packages_are_read(tmp_path: Path, suffix: str) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    else:
        pytest.importorskip("pillow_jxl")
    options = {"lossless": True} if suffix == "jxl" else {"quality": 100}
    corners(64, 48).save(tmp_path / f"b.{suffix}", **options)
    (tmp_path / "renamed.jpg").write_bytes((tmp_path / f"b.{suffix}").read_bytes())
    content = (tmp_path / "renamed.jpg").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(content[: len(content) * 2 // 3])
    collection = open_folder(tmp_path)
    assert set(collection.images) == {f"b.{suffix}", "renamed.jpg"}
    assert near(quarters(load(tmp_path / "renamed.jpg")), RED, GREEN, (0, 0, 255), WHITE)


def test_a_raw_photograph_under_the_name_of_a_tiff_is_not_read_as_its_preview(tmp_path: Path) -> None:
    tags = [(50706, "B", 4, (1, 4, 0, 0), True)]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), extratags=tags, metadata=None)
    with pytest.raises(WorkbenchError, match="raw photograph"):
        read_header(tmp_path / "a.tif")


def test_the_declared_size_of_a_jpeg_xl_codestream() -> None:
    # By ISO/IEC 18181-1: small = 0, height U32(2 → 18 bits) 1,000, ratio 0, width U32(3 → 30 bits) 300,000,
    # then all_default = 0, extra_fields = 1, orientation 6.
    fields = [(0, 1), (2, 2), (999, 18), (0, 3), (3, 2), (299_999, 30), (0, 1), (1, 1), (5, 3)]
    value = at = 0
    for number, width in fields:
        value |= number << at
        at += width
    stream = b"\xff\x0a" + value.to_bytes(30, "little")
    assert declared_size("JXL", stream) == (300_000, 1_000) and jxl_orientation(stream) == 6
    boxed = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I", 8 + len(stream)) + b"jxlc" + stream
    assert declared_size("JXL", boxed) == (300_000, 1_000) and jxl_orientation(boxed) == 6
    small = b"\xff\x0a" + (1 | 3 << 1 | 3 << 6).to_bytes(30, "little")  # height 8 × (1 + 3), 4:3
    assert declared_size("JXL", small) == (42, 32)


@pytest.mark.parametrize("suffix", "jpg png webp gif bmp tif ppm jp2 avif".split())
def test_a_truncated_file_is_refused_when_the_folder_is_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole.{suffix}"
    Image.effect_noise((90, 70), 60).convert("RGB").save(path)
    content = path.read_bytes()
    assert read_header(path).width == 90
    for share in (0.2, 0.5, 0.9):
        (tmp_path / f"cut.{suffix}").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(WorkbenchError):
            read_header(tmp_path / f"cut.{suffix}")


def test_an_image_with_bytes_after_its_end_is_read(tmp_path: Path) -> None:
    for suffix in "jpg png webp gif bmp tif ppm".split():
        path = tmp_path / f"a.{suffix}"
        corners().save(path)
        path.write_bytes(path.read_bytes() + b"\0" * 100_000)
        assert read_header(path).width == load(path).width == 64
