"""Thumbnails: small JPEGs of images, stored on disk under the key of the image, with a checksum."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image
from xxhash import xxh3_128_digest

from workbench.collections import contents, images
from workbench.common.files import replacing
from workbench.common.geometry import Box

_CHECKSUM = 16  # bytes after the JPEG
_DECODED = 2  # decode at least this many times larger, because libjpeg's own reduction is coarse


def thumbnail(path: Path, side: int, box: Box | None, cache: Path) -> bytes:
    """A JPEG of an image file, upright, its longest side at most ``side`` pixels, cropped to ``box``.

    It is stored in the folder ``thumbnails`` of the cache, and made again where the image file has changed.
    Raises WorkbenchError with the reason where the file cannot be read.
    """
    key = contents.of(cache).header(path).fingerprint
    return _stored(path, key, side, box, cache / "thumbnails")


@lru_cache(maxsize=4096)
def _stored(path: Path, fingerprint: str, side: int, box: Box | None, folder: Path) -> bytes:
    crop = "" if box is None else "-" + "-".join(f"{edge:g}" for edge in box)
    file = folder / fingerprint[:2] / f"{fingerprint}-{side}{crop}.jpg"
    with contextlib.suppress(OSError):
        stored = file.read_bytes()
        if xxh3_128_digest(stored[:-_CHECKSUM]) == stored[-_CHECKSUM:]:
            return stored[:-_CHECKSUM]
    jpeg = render(path, side, box)
    # A folder that cannot be written, or a full disk, only means that the thumbnail is made again.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as part:
            part.write_bytes(jpeg + xxh3_128_digest(jpeg))
    return jpeg


def render(path: Path, side: int, box: Box | None = None) -> bytes:
    """The same JPEG, made from the file and not stored."""
    header = images.header(path)
    width, height = (header.width, header.height) if box is None else (box[2] - box[0], box[3] - box[1])
    scale = _DECODED * side / max(width, height, 1)
    at_least = max(1, int(scale * width)), max(1, int(scale * height))
    picture = images.load(path, box, at_least=at_least)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()
