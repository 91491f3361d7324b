"""Image files of many kinds, which are read correctly or refused with a reason."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.collections.images import TemporarilyUnreadable, crop_to, load, read_header
from workbench.config.errors import WorkbenchError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green, blue and white quarters, in reading order."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    array = np.asarray(image)
    rows, columns = (
        (array.shape[0] // 4, 3 * array.shape[0] // 4),
        (array.shape[1] // 4, 3 * array.shape[1] // 4),
    )
    return [tuple(int(v) for v in array[y, x]) for y in rows for x in columns]


def near(actual: list[tuple[int, ...]], *expected: tuple[int, ...]) -> bool:
    return np.abs(np.array(actual) - np.array(expected)).max() <= 12  # JPEG is lossy


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or corners()).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95, "subsampling": 0}),
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.webp", {"lossless": True}),
        ("a.tiff", {}),
        ("a.gif", {}),
        ("a.ppm", {}),
        ("a.jp2", {}),
    ],
)
def test_common_formats_keep_their_pixels_and_size(tmp_path: Path, name: str, options: dict) -> None:
    corners().save(tmp_path / name, **options)
    image = load(tmp_path / name)
    assert image.mode == "RGB" and image.size == (64, 48)
    assert near(quarters(image), RED, GREEN, BLUE, WHITE)
    header = read_header(tmp_path / name)
    assert (header.width, header.height) == (64, 48)


# For each EXIF orientation (EXIF 2.32, tag 0x0112), the colours of the upright picture at top left,
# top right, bottom left and bottom right.
UPRIGHT = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_gives_upright_pixels_size_and_crops(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    corners(640, 480).save(path, exif=exif, quality=95, subsampling=0)
    size = (480, 640) if orientation >= 5 else (640, 480)
    header, image = read_header(path), load(path)
    assert (header.width, header.height) == size and image.size == size
    assert near(quarters(image), *UPRIGHT[orientation])
    # A box is in pixels of the upright image, also if a JPEG is decoded at a smaller scale.
    half = (0.0, 0.0, size[0] / 2, size[1] / 2)
    for at_least in (None, (20, 20)):
        crop = load(path, half, at_least)
        assert near(quarters(crop), *[UPRIGHT[orientation][0]] * 4)
        assert crop.size[0] >= 20 and crop.size[1] >= 20


def test_draft_decoding_reduces_the_size_to_no_less_than_requested(tmp_path: Path) -> None:
    corners(1600, 1200).save(tmp_path / "large.jpg", quality=95)
    image = load(tmp_path / "large.jpg", at_least=(300, 225))
    assert 300 <= image.size[0] <= 600 and 225 <= image.size[1] <= 450
    assert near(quarters(image), RED, GREEN, BLUE, WHITE)


def test_cmyk_is_converted_to_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    assert near(quarters(load(tmp_path / "cmyk.jpg")), *[RED] * 4)


def test_16_bit_values_are_scaled_to_8_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, 0)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    values = np.asarray(load(tmp_path / "deep.png"))[0, :, 0].astype(int)
    assert np.abs(values - np.arange(256)).max() <= 1


def test_integer_and_float_modes_are_scaled_to_8_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 65535 // 2, np.int32)).save(tmp_path / "i.tiff")
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "f.tiff")
    assert load(tmp_path / "i.tiff").getpixel((0, 0)) == (127, 127, 127)
    assert load(tmp_path / "f.tiff").getpixel((0, 0)) == (128, 128, 128)


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "rgba.png")
    Image.new("LA", (8, 8), (0, 128)).save(tmp_path / "la.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    palette.putpixel((7, 7), 2)
    palette.save(tmp_path / "palette.png", transparency=1)
    assert load(tmp_path / "rgba.png").getpixel((0, 0)) == WHITE
    assert load(tmp_path / "la.png").getpixel((0, 0)) == (127, 127, 127)
    image = load(tmp_path / "palette.png")
    assert image.getpixel((0, 0)) == WHITE and image.getpixel((7, 7)) == BLUE


def test_an_animation_is_read_as_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in (RED, GREEN, BLUE)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=100)
    assert load(tmp_path / "moving.gif").getpixel((3, 3)) == RED


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_an_image_of_one_pixel_is_read(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (1, 1), 0).save(tmp_path / "dot.png")
    assert load(tmp_path / "dot.png").size == (1, 1)
    assert read_header(tmp_path / "dot.png").width == 1


@pytest.mark.parametrize(
    "name", ["två ord.jpg", "🦊📷.jpg", 'it\'s "quoted".jpg', "<script>alert(1)<.jpg", "a\nb.jpg"]
)
def test_any_file_name_is_read(tmp_path: Path, name: str) -> None:
    corners().save(tmp_path / name)
    assert read_header(tmp_path / name).width == 64
    assert load(tmp_path / name).size == (64, 48)


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header states a size and which contains too few pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (body, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just some words, whatever the name says\n" * 50, "not an image"),
        (encoded("JPEG", corners(400, 300))[:1500], "truncated"),
        (encoded("PNG", Image.effect_noise((200, 200), 50))[:5000], "truncated|damaged"),
        (png_header(50_000, 50_000), "pixels"),
        (png_header(13_400, 13_400), "pixels"),  # just above the limit
    ],
)
def test_damaged_files_are_refused_with_their_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    for read in (read_header, load):
        with pytest.raises(WorkbenchError, match=reason):
            read(path)


def test_a_missing_file_and_an_invalid_name_are_refused(tmp_path: Path) -> None:
    for read in (read_header, load):
        with pytest.raises(WorkbenchError, match="missing"):
            read(tmp_path / "nowhere.jpg")
        with pytest.raises(WorkbenchError):
            read(tmp_path / "nul\0.jpg")


def test_a_lack_of_file_handles_is_a_temporary_error(tmp_path: Path) -> None:
    path = tmp_path / "good.png"
    Image.new("RGB", (16, 16), "teal").save(path)
    _, hard = limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    handles = []
    try:
        with contextlib.suppress(OSError):
            while True:
                handles.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(TemporarilyUnreadable, match="Too many open files"):
            load(path)
    finally:
        for handle in handles:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert load(path).getpixel((0, 0)) == (0, 128, 128)


def test_a_truncated_photo_with_a_complete_exif_thumbnail_is_refused(tmp_path: Path) -> None:
    # The thumbnail in the EXIF block ends with its own JPEG end marker.
    whole = encoded("JPEG", Image.effect_noise((300, 300), 60).convert("RGB"), quality=90)
    thumbnail = encoded("JPEG", corners())
    segment = b"Exif\0\0" + thumbnail
    content = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    (tmp_path / "whole.jpg").write_bytes(content)
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) * 2 // 3])
    assert read_header(tmp_path / "whole.jpg").width == 300
    with pytest.raises(WorkbenchError, match="truncated"):
        read_header(tmp_path / "cut.jpg")


def test_the_fingerprint_changes_with_the_file(tmp_path: Path) -> None:
    corners().save(tmp_path / "a.png")
    first = read_header(tmp_path / "a.png").fingerprint
    assert read_header(tmp_path / "a.png").fingerprint == first
    corners(66, 48).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png").fingerprint != first


@pytest.mark.parametrize(
    "box", [(10, 10, 10, 20), (70, 0, 90, 10), (0, 0, float("nan"), 5), (-9, -9, -1, -1)]
)
def test_an_empty_box_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(WorkbenchError, match="holds no pixel"):
        crop_to(corners(), box)


def test_a_box_is_clipped_to_the_image() -> None:
    assert crop_to(corners(), (-5, 24, 1000, 1000)).size == (64, 24)
    assert crop_to(corners(), (1.2, 1.2, 2.1, 2.9)).size == (2, 2)


NOISE = Image.effect_noise((120, 90), 70).convert("RGB")
WHOLE = {"JPEG": encoded("JPEG", NOISE, quality=80), "PNG": encoded("PNG", NOISE)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    share=st.floats(0, 1),
    flips=st.lists(st.integers(0, 10**6), max_size=3),
)
def test_a_file_truncated_or_damaged_anywhere_is_read_or_refused(
    tmp_path: Path, kind: str, share: float, flips: list[int]
) -> None:
    content = bytearray(WHOLE[kind][: int(share * len(WHOLE[kind]))])
    for flip in flips:
        if content:
            content[flip % len(content)] ^= 0x55
    path = tmp_path / "cut"
    path.write_bytes(content)
    for read in (read_header, load):
        try:
            read(path)  # only a WorkbenchError may be raised
        except WorkbenchError as refusal:
            assert str(refusal)
    if not flips and share < 0.95:
        with pytest.raises(WorkbenchError):
            load(path)
