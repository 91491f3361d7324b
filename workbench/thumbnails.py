"""Small JPEGs of images, made once and kept on disk under the fingerprint of the file they show."""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from functools import lru_cache
from pathlib import Path

from PIL import Image

from workbench.collections import images
from workbench.collections.collection import Box

_SHARPER = 2  # decoded at least this much larger than shown, for libjpeg's own reduction is coarse


def thumbnail(path: Path, side: int, box: Box | None, folder: Path) -> bytes:
    """A JPEG of an image file, upright, its longest side at most ``side`` pixels, cropped to ``box``.

    It is kept in ``folder``, and made anew where the file has changed. Raises WorkbenchError with the
    reason where the file cannot be read.
    """
    return _kept(path, images.header(path).fingerprint, side, box, folder)


@lru_cache(maxsize=4096)
def _kept(path: Path, fingerprint: str, side: int, box: Box | None, folder: Path) -> bytes:
    crop = "" if box is None else "-" + "-".join(f"{edge:g}" for edge in box)
    place = folder / fingerprint[:2] / f"{fingerprint}-{side}{crop}.jpg"
    with contextlib.suppress(OSError):
        if known := place.read_bytes():
            return known
    made = _made(path, side, box)
    # A folder that cannot be written, or a full disk, costs time and nothing else.
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{uuid.uuid4().hex[:8]}.part")
        try:
            part.write_bytes(made)
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)
    return made


def _made(path: Path, side: int, box: Box | None) -> bytes:
    size = images.header(path)
    width, height = (size.width, size.height) if box is None else (box[2] - box[0], box[3] - box[1])
    scale = _SHARPER * side / max(width, height, 1)
    enough = max(1, int(scale * width)), max(1, int(scale * height))
    picture = images.load(path, box, at_least=enough)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()
