"""Pictures with a colour profile become sRGB; those in sRGB keep their pixels and their fingerprint."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.collections.test_images import corners
from workbench.collections.images import load, read_header

# CIE xy of red, green, blue and white, and gamma: Adobe RGB (1998), 4.3; the primaries of SMPTE RP 431-2
# with D65 and a power for the curve (Display P3); ISO 22028-2 (ROMM RGB, whose white is D50).
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290), 563 / 256
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), (0.3127, 0.3290), 2.2
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), 1.8
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), (0.3127, 0.3290), 2.2
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1, 0.8249])


def to_d50(space: tuple) -> np.ndarray:
    """The matrix from linear RGB to XYZ adapted to D50 by Bradford's method."""
    primaries, white, _ = space
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    point = np.array([white[0] / white[1], 1, (1 - sum(white)) / white[1]])
    matrix = columns * np.linalg.solve(columns, point)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ point)) @ BRADFORD
    return adapt @ matrix


def profile(space: tuple) -> bytes:
    """A display profile of matrix and gamma (ICC.1:2001-04)."""
    fixed = lambda values: b"".join(struct.pack(">i", round(v * 65536)) for v in values)  # noqa: E731
    matrix = to_d50(space)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(space[2] * 256)) + bytes(2)
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(D50)}
    for column, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(matrix[:, column])
        tags[name + b"TRC"] = curve
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags[b"desc"] = text + bytes(-len(text) % 4)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0" + bytes(3)
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12x4s", 0, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + fixed(D50)
    content = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(content)) + content[4:]


def in_srgb(pixels: np.ndarray, space: tuple) -> np.ndarray:
    """The formula: to XYZ by the space, to linear sRGB, and IEC 61966-2-1's curve."""
    linear = (pixels / 255) ** space[2]
    srgb = np.clip(np.linalg.solve(to_d50(SRGB), (linear @ to_d50(space).T)[..., None])[..., 0], 0, 1)
    return 255 * np.where(srgb <= 0.0031308, 12.92 * srgb, 1.055 * srgb ** (1 / 2.4) - 0.055)


COLOURS = np.random.default_rng(1).integers(60, 180, (12, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("space", [ADOBE, P3, PROPHOTO], ids=["Adobe RGB", "Display P3", "ProPhoto"])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_wide_spaces_are_converted_by_their_formula(tmp_path: Path, space: tuple, suffix: str) -> None:
    path = tmp_path / f"wide.{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(COLOURS).save(path, icc_profile=profile(space), **options)
    expected = in_srgb(COLOURS.astype(float), space)
    assert np.abs(np.asarray(load(path)).astype(float) - expected).max() <= 2.5
    assert np.abs(expected - COLOURS).max() > 15


@pytest.mark.parametrize("mode", ["RGBA", "P", "L"])
def test_other_modes_with_a_wide_profile(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(COLOURS).convert(mode)
    picture.save(tmp_path / "a.png", icc_profile=profile(ADOBE))
    shown = np.asarray(picture.convert("RGB"))
    # A profile of colours does not fit a grey image, and is ignored.
    expected = shown if mode == "L" else in_srgb(shown.astype(float), ADOBE)
    assert np.abs(np.asarray(load(tmp_path / "a.png")).astype(float) - expected).max() <= 2.5


def test_a_jpeg_is_converted_at_any_scale(tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (90, 160, 70)).save(
        tmp_path / "a.jpg", icc_profile=profile(ADOBE), quality=95
    )
    expected = in_srgb(np.array([[[90.0, 160, 70]]]), ADOBE)[0, 0]
    for picture in (load(tmp_path / "a.jpg"), load(tmp_path / "a.jpg", (0, 0, 320, 240), (40, 30))):
        assert np.abs(np.asarray(picture)[5, 5] - expected).max() <= 4


def srgb_bytes() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


BROKEN = {
    "nothing": b"",
    "words": b"not a profile at all",
    "cut": profile(ADOBE)[:200],
    "zeros": profile(ADOBE)[:132] + bytes(400),
    "another space": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    "sRGB": srgb_bytes(),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_srgb_and_broken_profiles_change_nothing(tmp_path: Path, kind: str) -> None:
    import hashlib

    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path, icc_profile=BROKEN[kind])
    assert np.array_equal(np.asarray(load(path)), COLOURS)
    content, status = path.read_bytes(), path.stat()
    stamp = f"{status.st_size} {status.st_mtime_ns} ".encode()
    plain = hashlib.blake2b(stamp + content[:4096] + content[-65536:], digest_size=16).hexdigest()
    assert read_header(path).fingerprint == plain


def test_the_fingerprint_of_a_wide_picture_is_not_that_of_its_file_alone(tmp_path: Path) -> None:
    """Feature maps that were stored before profiles were used have other keys."""
    import hashlib

    for suffix in ("png", "webp", "jpg"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(COLOURS).save(path, icc_profile=profile(P3))
        content, status = path.read_bytes(), path.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns} ".encode()
        plain = hashlib.blake2b(stamp + content[:4096] + content[-65536:], digest_size=16).hexdigest()
        assert read_header(path).fingerprint != plain


def test_cmyk_without_a_profile_is_read_as_before(tmp_path: Path) -> None:
    picture = corners().convert("CMYK")
    picture.save(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(load(tmp_path / "a.tif")), np.asarray(picture.convert("RGB")))


def test_a_cmyk_image_with_a_profile_of_rgb_is_read_as_before(tmp_path: Path) -> None:
    picture = corners().convert("CMYK")
    picture.save(tmp_path / "a.tif", icc_profile=profile(ADOBE))
    assert np.array_equal(np.asarray(load(tmp_path / "a.tif")), np.asarray(picture.convert("RGB")))


def test_a_grey_profile_is_applied(tmp_path: Path) -> None:
    curved = bytearray(profile((SRGB[0], SRGB[1], 1.8)))
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    curved[16:20] = b"GRAY"
    at = curved.index(b"rTRC", 128)
    curved[at : at + 4] = b"kTRC"
    grey.save(tmp_path / "a.png", icc_profile=bytes(curved))
    values = np.asarray(load(tmp_path / "a.png"))[0, :, 0].astype(float)
    x = (np.arange(256) / 255) ** 1.8
    expected = 255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    assert np.abs(values - expected).max() <= 4
    assert np.abs(expected - np.arange(256)).max() > 12


def test_a_lab_image_is_read(tmp_path: Path) -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(COLOURS), *profiles, outputMode="LAB")
    assert lab is not None
    buffer = io.BytesIO()
    lab.save(buffer, "TIFF")
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    difference = np.abs(np.asarray(load(tmp_path / "a.tif")).astype(float) - COLOURS)
    assert np.quantile(difference, 0.95) <= 2 and difference.max() <= 16  # 8 bits of Lab are coarse
