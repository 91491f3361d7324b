"""Values of more than 8 bits: the range is declared or that of the values, never silently black or white."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from workbench.collections.folder import open_folder
from workbench.collections.images import load, read_header

RAMP = np.tile(np.linspace(0, 1, 64), (48, 1))  # black at the left, white at the right


def levels(path: Path) -> np.ndarray:
    """The grey levels of the first row; all rows and channels are equal."""
    pixels = np.asarray(load(path)).astype(int)
    assert np.ptp(pixels, axis=(0, 2)).max() == 0
    return pixels[0, :, 0]


def expected(values: np.ndarray = RAMP) -> np.ndarray:
    return np.rint(255 * values[0]).astype(int)


def with_value(value: float) -> np.ndarray:
    ramp = RAMP.astype(np.float32)
    ramp[0, 0] = value
    return ramp


def written(path: Path, values: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, values, metadata=None, **options)
    return path


@pytest.mark.parametrize("value", [np.nan, 1.7, 1e30, np.inf, -np.inf, -3.0])
def test_one_odd_float_does_not_change_the_others(tmp_path: Path, value: float) -> None:
    path = written(tmp_path / "f.tif", with_value(value))
    assert np.array_equal(np.asarray(load(path))[1, :, 0], expected())
    assert "range" in read_header(path).note or "finite" in read_header(path).note


@pytest.mark.parametrize(
    ("full", "kind"),
    [
        *((full, kind) for kind in (np.float32, np.float64) for full in (1, 255, 4095, 65535)),
        *((full, np.float16) for full in (1, 255, 4095)),  # 65535 is no number of 16 bits
    ],
)
def test_floats_of_usual_scales_are_read(tmp_path: Path, full: int, kind: type) -> None:
    path = written(tmp_path / "f.tif", (RAMP * full).astype(kind))
    assert np.abs(levels(path) - expected()).max() <= 1
    assert bool(read_header(path).note) == (full != 1)


@pytest.mark.parametrize("low, high", [(280.0, 320.0), (-1.0, 1.0), (0.0, 0.002), (0.0, 8.0), (-5e7, 9e9)])
def test_floats_of_other_scales_are_stretched_and_reported(tmp_path: Path, low: float, high: float) -> None:
    path = written(tmp_path / "f.tif", (low + RAMP * (high - low)).astype(np.float32))
    values = levels(path)
    assert values[0] == 0 and values[-1] == 255 and np.abs(values - expected()).max() <= 4
    assert "without a declared range" in read_header(path).note


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_fewer_bits_in_16_are_taken_by_their_largest_value(tmp_path: Path, bits: int, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray((RAMP * (2**bits - 1)).astype(np.uint16)).save(path)
    assert np.abs(levels(path) - expected()).max() <= 1
    assert bool(read_header(path).note) == (bits < 16)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colours_of_fewer_bits_in_16_are_not_dark(tmp_path: Path, bits: int, suffix: str) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / f"deep.{suffix}"
    colours = np.stack([RAMP, RAMP[:, ::-1], np.zeros_like(RAMP)], -1) * (2**bits - 1)
    if suffix == "png":
        cv2.imwrite(str(path), colours.astype(np.uint16)[..., ::-1])
    else:
        written(path, colours.astype(np.uint16), photometric="rgb")
    image = np.asarray(load(path)).astype(int)
    assert np.abs(image[0, :, 0] - expected()).max() <= 1
    assert np.abs(image[0, :, 1] - expected()[::-1]).max() <= 1 and image[..., 2].max() == 0
    assert bool(read_header(path).note) == (bits == 12)


@pytest.mark.parametrize(
    "kind, scale", [("int32", 65535), ("uint32", 65535), ("uint32", 2**32 - 1), ("int32", 2**31 - 1),
                    ("int16", 32767), ("uint16", 65535), ("int16", 4095), ("uint64", 65535), ("int8", 127)],
)  # fmt: skip
@pytest.mark.parametrize("order", ["<", ">"])
def test_integers_of_any_kind_are_read(tmp_path: Path, kind: str, scale: int, order: str) -> None:
    path = written(tmp_path / "i.tif", (RAMP * scale).astype(kind), byteorder=order)
    assert np.abs(levels(path) - expected()).max() <= 2


def test_signed_values_are_stretched_and_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "ct.tif", (RAMP * 4000 - 1000).astype(np.int16))
    assert np.abs(levels(path) - expected()).max() <= 1
    assert "black is -1000 and white is 3000" in read_header(path).note


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_min_is_white_is_inverted(tmp_path: Path, kind: str, order: str) -> None:
    full = 1 if kind == "float32" else np.iinfo(kind).max
    path = written(
        tmp_path / "w.tif", ((1 - RAMP) * full).astype(kind), photometric="miniswhite", byteorder=order
    )
    assert np.abs(levels(path) - expected()).max() <= 1


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_planar_colours_are_read(tmp_path: Path, kind: str, compression: str | None) -> None:
    full = 1 if kind == "float32" else np.iinfo(kind).max
    planes = (np.stack([RAMP, RAMP[:, ::-1], RAMP * 0.5]) * full).astype(kind)
    path = written(
        tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate", compression=compression
    )
    image = np.asarray(load(path)).astype(int)
    for channel, values in enumerate([RAMP, RAMP[:, ::-1], RAMP * 0.5]):
        assert np.abs(image[0, :, channel] - expected(values)).max() <= 1


@pytest.mark.parametrize(
    "tags, white", [([(281, "H", 1, 1000, True)], 1000), ([(341, "H", 1, 500, True)], 500)]
)
def test_a_declared_range_is_used(tmp_path: Path, tags: list, white: int) -> None:
    path = written(tmp_path / "d.tif", (RAMP * white).astype(np.uint16), extratags=tags)
    assert np.abs(levels(path) - expected()).max() <= 1
    assert not read_header(path).note


def test_a_pgm_of_12_bits_states_its_range(tmp_path: Path) -> None:
    values = (RAMP * 0.25 * 4095).astype(">u2")  # a dark picture stays dark
    (tmp_path / "a.pgm").write_bytes(b"P5 64 48 4095\n" + values.tobytes())
    assert np.abs(levels(tmp_path / "a.pgm") - expected(RAMP * 0.25)).max() <= 1
    assert not read_header(tmp_path / "a.pgm").note


def test_a_portable_float_map_is_read(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 1).astype(np.float32)).save(tmp_path / "a.pfm")
    assert np.abs(levels(tmp_path / "a.pfm") - expected()).max() <= 1


def test_dark_images_that_differ_stay_different(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, most in (("uint16", 40), ("float32", 0.001), ("int32", 9)):
        pictures = []
        for number in range(2):
            values = (rng.random((32, 32)) * most).astype(kind)
            pictures.append(np.asarray(load(written(tmp_path / f"{kind}{number}.tif", values))).astype(float))
        assert np.abs(pictures[0] - pictures[1]).mean() > 10


def test_the_report_names_what_was_assumed(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 255).astype(np.uint8)).save(tmp_path / "plain.png")
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / "deep.png")
    written(tmp_path / "kelvin.tif", (280 + 30 * RAMP).astype(np.float32))
    written(tmp_path / "nan.tif", with_value(np.nan))
    collection = open_folder(tmp_path)
    assert set(collection.images) == {"plain.png", "deep.png", "kelvin.tif", "nan.tif"}
    assert set(collection.report["image"]) == {"kelvin.tif", "nan.tif"}
    assert not collection.problems and "2 images do not declare" in collection.notes[0]


def test_the_fingerprint_changes_only_for_images_that_are_read_otherwise_than_before(tmp_path: Path) -> None:
    import hashlib

    for name, values in (("full.png", RAMP * 65535), ("few.png", RAMP * 4095)):
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / name)
        content, status = (tmp_path / name).read_bytes(), (tmp_path / name).stat()
        stamp = f"{status.st_size} {status.st_mtime_ns} ".encode()
        plain = hashlib.blake2b(stamp + content[:4096] + content[-65536:], digest_size=16).hexdigest()
        assert (read_header(tmp_path / name).fingerprint == plain) == (name == "full.png")


@pytest.mark.parametrize("mode", "1 L LA P PA RGB RGBA CMYK YCbCr LAB I;16 I F".split())
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_every_mode_of_a_tiff_is_read(tmp_path: Path, mode: str, compression: str | None) -> None:
    picture = Image.fromarray((RAMP * 255).astype(np.uint8))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(picture.convert("RGB"), *profiles, outputMode="LAB") or picture
    elif mode == "I;16":
        picture = Image.fromarray((RAMP * 65535).astype(np.uint16))
    elif mode in ("I", "F"):
        values = (RAMP * 65535).astype(np.int32) if mode == "I" else RAMP.astype(np.float32)
        picture = Image.fromarray(values)
    else:
        source = picture.convert("P") if mode == "PA" else picture
        picture = source.convert(mode, dither=Image.Dither.NONE)
    picture.save(tmp_path / "a.tif", compression=compression)
    image = np.asarray(load(tmp_path / "a.tif")).astype(int)
    assert image[:, -4:].min() > 200 and image[:, :4].max() < 50


def test_a_transparent_grey_of_16_bits_becomes_white(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    picture.putpixel((0, 0), 7)
    picture.save(buffer, "PNG", transparency=7)
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert load(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)
