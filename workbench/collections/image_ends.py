"""Whether an image file is whole, by its structure and without decoding it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PIL import Image

from workbench.collections.image_formats import first_tile

TAIL = 65_536  # bytes at the end of a file that are looked at
_SLOWLY_READ = 2**21  # pixels of a text format that are decoded to see whether all are there


def is_whole(path: Path, kind: str, image: Image.Image | None, tail: bytes, length: int) -> bool:
    """Whether the file has its end mark, or holds all the bytes that it declares. False also if unknown."""
    match kind:
        case "JPEG":  # only at the very end: a thumbnail inside a truncated file has an end mark too
            return b"\xff\xd9" in tail[-256:]
        case "PNG":
            return b"IEND" in tail[-64:]
        case "GIF":
            return _first_frame_is_whole(path)
        case "JPEG2000":
            return tail.endswith(b"\xff\xd9") or _boxes_end(path) == length
        case "AVIF" | "HEIF":
            return _boxes_end(path) == length
        case "JXL":
            return True  # its plugin has decoded it
        case "WEBP":
            return _chunks_end(path) is not None
        case "TIFF" if image is not None:
            return _strips_end(getattr(image, "tag_v2", {})) <= length
        case "BMP" | "PPM" if image is not None:
            return _rows_end(image, length)
    return False


def _first_frame_is_whole(path: Path) -> bool:
    """Whether a GIF holds all blocks of its first image (GIF89a, sections 15 to 24)."""
    content = path.read_bytes()
    flags = content[10] if len(content) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at + 1 < len(content):
        mark = content[at]
        if mark == 0x21:  # an extension and its label
            at += 2
        elif mark == 0x2C and at + 10 < len(content):
            flags = content[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            return False
        while at < len(content) and content[at]:
            at += 1 + content[at]
        if at >= len(content):
            return False
        at += 1
        if mark == 0x2C:
            return True
    return False


def _boxes_end(path: Path) -> int:
    """Where the last box of an ISO base media file ends, by the lengths of the boxes (ISO 14496-12, 4.2)."""
    length, at = path.stat().st_size, 0
    with path.open("rb") as file:
        for _ in range(1000):
            file.seek(at)
            start = file.read(16)
            if len(start) < 8:
                return at
            size = int.from_bytes(start[:4], "big")
            if size == 1:
                size = int.from_bytes(start[8:16], "big")
            at = length if size == 0 else at + size
            if size and size < 8:
                return -1
    return at


def _chunks_end(path: Path) -> int | None:
    """Where the chunks of a WebP file end; None if they reach beyond its end or there are no pixels."""
    chunks = webp_chunks(path)
    if not any(name in (b"VP8 ", b"VP8L", b"ANMF") for name, _, _ in chunks):
        return None
    end = max(start + size for _, start, size in chunks)
    with path.open("rb") as file:
        declared = int.from_bytes(file.read(8)[4:], "little") + 8
    return end if max(end, declared - 1) <= path.stat().st_size else None


def webp_chunks(path: Path) -> list[tuple[bytes, int, int]]:
    """(name, start, length) of the chunks of a WebP file, which may reach beyond its end (RFC 9649)."""
    chunks: list[tuple[bytes, int, int]] = []
    with path.open("rb") as file:
        at = 12
        while len(chunks) < 10_000:
            file.seek(at)
            start = file.read(8)
            if len(start) < 8:
                return chunks
            size = int.from_bytes(start[4:], "little")
            chunks.append((start[:4], at + 8, size))
            at += 8 + size + size % 2
    return chunks


def png_has_late_orientation(path: Path) -> bool:
    """Whether a PNG has EXIF or XMP after its pixels, which Pillow reads only by decoding them."""
    pixels_seen = False
    with path.open("rb") as file:
        descriptor, at = file.fileno(), 8
        while len(start := os.pread(descriptor, 40, at) if hasattr(os, "pread") else _read(file, at)) >= 8:
            name = start[4:8]
            pixels_seen = pixels_seen or name == b"IDAT"
            text = start[8:].startswith((b"Raw profile type exif", b"XML:com.adobe.xmp"))
            if pixels_seen and (name == b"eXIf" or (name in (b"tEXt", b"zTXt", b"iTXt") and text)):
                return True
            at += 12 + int.from_bytes(start[:4], "big")
    return False


def _read(file: Any, at: int) -> bytes:  # Windows has no pread
    file.seek(at)
    return bytes(file.read(40))


def _strips_end(tags: Any) -> int:
    """The end of the last strip or tile of a TIFF; a great number if they are not declared."""
    ends = [2**62]
    for offsets, counts in ((273, 279), (324, 325)):
        where, sizes = tags.get(offsets), tags.get(counts)
        if where and sizes:
            where, sizes = ((value,) if isinstance(value, int) else value for value in (where, sizes))
            ends = [offset + size for offset, size in zip(where, sizes, strict=False)]
    return max(ends)


def _rows_end(image: Image.Image, length: int) -> bool:
    """Whether the rows of an uncompressed BMP or PNM file fit into it."""
    decoder, offset, arguments = first_tile(image)
    width, height = image.size
    if decoder == "ppm_plain":
        return width * height > _SLOWLY_READ  # too slow to check here; decoding finds out
    if decoder in ("", "bmp_rle"):
        return False
    if decoder == "ppm":
        wide = 2 if int(arguments[-1]) > 255 else 1
        return offset + width * height * len(image.getbands()) * wide <= length
    raw = str(arguments[0])
    bits = {"1": 1, "1;I": 1, "P;1": 1, "P;2": 2, "P;4": 4, "BGR;15": 16, "BGR;16": 16, "I;16B": 16}.get(raw)
    if bits is None:
        bits = 32 if raw.startswith(("F;32", "BGRX", "BGRA", "XBGR", "RGBA")) else 8 * len(image.getbands())
    row = (width * bits + 7) // 8
    if image.format != "PPM":
        row = (row + 3) // 4 * 4
    return offset + row * height <= length
