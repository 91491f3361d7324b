"""What the header of an image file says, read without decoding it where the header is enough."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from workbench.collections import color_profiles, deep_images
from workbench.collections.declared_size import declared_size
from workbench.collections.decoding import decode
from workbench.collections.image_ends import is_whole, png_has_late_orientation, webp_chunks
from workbench.collections.image_formats import open_image, recognise
from workbench.collections.image_limits import MEMORY, check_size, decoding_bytes, image_bytes
from workbench.collections.image_modes import DEEP
from workbench.collections.orientation import orientation_of, stored_size, upright_size

_EXAMINED = 2**23  # pixels of a deep image whose values are read to learn their range
_PREVIEW = (64, 64)  # size at which a JPEG without its end mark is decoded
_UNEXAMINED = "the range of its values is taken from the values when it is decoded"


@dataclass(frozen=True)
class Facts:
    """The upright size, what must be assumed to read the values, and the rules of reading that apply.

    Images to which no rule applies have the pixels and the fingerprint that they had before there were rules.
    """

    size: tuple[int, int]
    note: str = ""
    rules: tuple[str, ...] = ()


def read_facts(path: Path, head: bytes, tail: bytes, length: int) -> Facts:
    """The facts of a file of ``length`` bytes. Raises WorkbenchError, and whatever Pillow does.

    A file without its format's end mark is decoded, to detect truncation.
    """
    kind = recognise(head, path.suffix)
    size = declared_size(kind, head)
    if size is not None:
        check_size(*size)
        MEMORY.check(decoding_bytes(kind, "RGBA", size))
    if kind == "WEBP":
        return _webp_facts(path, size, tail, length)
    allocated = MEMORY.reserve(decoding_bytes(kind, "RGBA", size)) if size else contextlib.nullcontext()
    with allocated:
        try:
            opened = open_image(path, kind)
        except UnidentifiedImageError:
            if kind != "TIFF":
                raise
            return _deep_tiff_facts(path)
        with opened as image:
            return _image_facts(path, kind, image, tail, length)


def _image_facts(path: Path, kind: str, image: Image.Image, tail: bytes, length: int) -> Facts:
    stored = stored_size(image)
    check_size(*stored)
    if kind != "JPEG":  # which is decoded at a smaller scale where it is large
        MEMORY.check(image_bytes(kind, image, stored))
    if kind == "TIFF" and deep_images.is_misread(image):
        return _deep_tiff_facts(path)
    rules = ["profile"] if color_profiles.changes(image) else []
    deep = image.mode in DEEP
    if deep or deep_images.has_deep_colours(image):
        if stored[0] * stored[1] > _EXAMINED:
            return Facts(_upright(path, kind, image), _UNEXAMINED if deep else "", (*rules, "range"))
        decoded = decode(path)
        if decoded.note or (deep and not image.mode.startswith("I;")):
            rules.append("range")
        if kind == "TIFF" and orientation_of(image) >= 5:
            rules.append("turned")
        return Facts(decoded.full, decoded.note, tuple(rules))
    if not is_whole(path, kind, image, tail, length):
        decode(path, None, _PREVIEW)
    if kind == "TIFF" and orientation_of(image) >= 5:
        rules.append("turned")
    return Facts(_upright(path, kind, image), "", tuple(rules))


def _upright(path: Path, kind: str, image: Image.Image) -> tuple[int, int]:
    if kind == "PNG" and png_has_late_orientation(path):
        return decode(path).full
    return upright_size(stored_size(image), orientation_of(image, without_decoding=kind == "PNG"))


def _deep_tiff_facts(path: Path) -> Facts:
    header = deep_images.read_tiff_header(path)
    if header.size[0] * header.size[1] > _EXAMINED:
        return Facts(upright_size(header.size, header.orientation), _UNEXAMINED, ("range",))
    decoded = decode(path)
    return Facts(decoded.full, decoded.note, ("range",))


def _webp_facts(path: Path, size: tuple[int, int] | None, tail: bytes, length: int) -> Facts:
    """The facts by the chunks of the file: the decoder of WebP allocates its canvas when it opens a file."""
    if size is None or not is_whole(path, "WEBP", None, tail, length):
        return Facts(decode(path).full)
    metadata = Image.new("RGB", (1, 1))
    for name, start, count in webp_chunks(path):
        key = {b"EXIF": "exif", b"XMP ": "xmp", b"ICCP": "icc_profile"}.get(name)
        if key:
            with path.open("rb") as file:
                file.seek(start)
                metadata.info[key] = file.read(count)
    rules = ("profile",) if color_profiles.changes(metadata) else ()
    return Facts(upright_size(size, orientation_of(metadata)), "", rules)
