"""Decode an image file: recognise it, bound its memory, decode it here or in a process that can be ended."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from workbench.collections import deep_images, image_limits
from workbench.collections.declared_size import declared_size
from workbench.collections.decoding_worker import decode_in_worker
from workbench.collections.image_formats import HEAD, open_image, recognise
from workbench.collections.image_limits import MEMORY, check_size, decoding_bytes
from workbench.collections.image_modes import DEEP, numbers, rgb, samples, scale_of, to_bytes
from workbench.collections.orientation import orientation_of, stored_size, turn, upright_size
from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError

_DARK = 63  # brightest level of colours of 16 bits that use 14 bits or fewer


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, the upright size of its file, and what had to be assumed to read it."""

    image: Image.Image
    full: tuple[int, int]
    note: str = ""


def read_head(path: Path) -> bytes:
    """The first bytes of a file. Raises WorkbenchError if it is empty or no regular file, and OSError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise WorkbenchError("it is a folder, pipe, socket or device, not a file")
    if status.st_size == 0:
        raise WorkbenchError("the file is empty")
    with path.open("rb", buffering=0) as file:
        return file.read(HEAD)


def decode(
    path: Path, box: Box | None = None, at_least: tuple[int, int] | None = None, here: bool = False
) -> Decoded:
    """Decode an image file; with ``at_least`` perhaps at a smaller scale, at which ``box`` has that size.

    ``here``: decode in this process even what may be slow. Raises WorkbenchError, and whatever Pillow does.
    """
    head = read_head(path)
    kind = recognise(head, path.suffix)
    size = declared_size(kind, head)
    if size is not None:  # before the plugin allocates
        check_size(*size)
        with MEMORY.reserve(decoding_bytes(kind, "RGBA", size)):
            if not here and image_limits.may_be_slow(path, kind, None, size, head):
                return Decoded(*decode_in_worker(path, box, at_least))
            with open_image(path, kind) as image:
                return _load(path, image, image.size, box, at_least)
    try:
        opened = open_image(path, kind)
    except UnidentifiedImageError:
        if kind != "TIFF":
            raise
        return _decode_deep_tiff(path)
    with opened as image:
        full = stored_size(image)
        check_size(*full)
        if kind == "TIFF" and deep_images.is_misread(image):
            return _decode_deep_tiff(path)
        if at_least is not None and image.format == "JPEG":
            orientation = orientation_of(image)
            wanted = upright_size(_wanted(upright_size(full, orientation), box, at_least), orientation)
            image.draft("RGB", wanted)
        slow = not here and image_limits.may_be_slow(path, kind, image, full, head)
        # The pixels of a deep PNG are read a second time if they are dark.
        again = 8 * full[0] * full[1] if kind == "PNG" and deep_images.has_deep_colours(image) else 0
        with MEMORY.reserve(image_limits.image_bytes(kind, image, full) + again):
            if slow:
                return Decoded(*decode_in_worker(path, box, at_least))
            return _load(path, image, full, box, at_least)


def _load(
    path: Path, image: Image.Image, stored: tuple[int, int], box: Box | None, at_least: tuple[int, int] | None
) -> Decoded:
    declaration = samples(image)
    deep_colours = deep_images.has_deep_colours(image)
    is_tiff = image.format == "TIFF"
    orientation = orientation_of(image) if is_tiff else 1  # Pillow may remove it when it turns the pixels
    drafted = image.size != stored and not is_tiff
    image.load()
    remaining = orientation_of(image)
    scale, note, upright = None, "", None
    if image.mode in DEEP:
        scale = scale_of(numbers(image, declaration), declaration)
        note = scale.note
    elif deep_colours and image.mode == "RGB" and max(high for _, high in image.getextrema()) <= _DARK:  # type: ignore[misc]
        upright, note = _brighter(path, image, orientation if is_tiff else remaining)
    if upright is None:
        converted = rgb(image, declaration, scale)
        upright = turn(converted, remaining)
        if upright is image:  # its pixels must outlive the open file
            upright = image.copy()
    full = upright_size(stored, remaining) if drafted else upright.size
    if at_least is not None and upright.width * upright.height > image_limits.LARGE:
        wanted = _wanted(full, box, at_least)
        # Two cells a pixel are left, as Pillow's reducing_gap=2 leaves them before a bicubic resampling.
        factor = min(upright.width // (2 * wanted[0]), upright.height // (2 * wanted[1]))
        upright = upright.reduce(factor) if factor > 1 else upright
    return Decoded(upright, full, note)


def _brighter(path: Path, image: Image.Image, orientation: int) -> tuple[Image.Image | None, str]:
    """Colours of 16 bits that use 14 bits or fewer, by their own scale; None if they cannot be read again."""
    declaration, values = samples(image), None
    try:
        values = deep_images.read_tiff(path) if image.format == "TIFF" else deep_images.read_png(path)
    except WorkbenchError as error:
        return None, f"its colours are dark, and can be scaled only from all 16 bits: {error}"
    if values is None or values.ndim != 3 or values.dtype.kind not in "ui":
        return None, ""
    scale = scale_of(values, declaration)
    picture = Image.fromarray(to_bytes(values, scale))
    picture.info["icc_profile"] = image.info.get("icc_profile")
    return turn(rgb(picture), orientation), scale.note


def _decode_deep_tiff(path: Path) -> Decoded:
    header = deep_images.read_tiff_header(path)
    with MEMORY.reserve(2 * header.size_in_memory + 8 * header.size[0] * header.size[1]):
        values = deep_images.read_tiff(path)
        scale = scale_of(values, header.declaration)
        picture = Image.fromarray(to_bytes(values, scale, header.declaration.inverted))
        picture.info["icc_profile"] = header.icc_profile
        upright = turn(rgb(picture), header.orientation)
        return Decoded(upright, upright.size, scale.note)


def _wanted(full: tuple[int, int], box: Box | None, at_least: tuple[int, int]) -> tuple[int, int]:
    """The size that the upright image must have, so that ``box`` has the size ``at_least``."""
    if box is None:
        return at_least
    crop = max(box[2] - box[0], 1), max(box[3] - box[1], 1)
    return ceil(at_least[0] * full[0] / crop[0]), ceil(at_least[1] * full[1] / crop[1])
