"""Images that Pillow reads wrongly or refuses: planar, floating or 64-bit TIFFs, dark colours of 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.collections.image_formats import first_tile
from workbench.collections.image_limits import check_size
from workbench.collections.image_modes import Samples, declared_range
from workbench.config.errors import WorkbenchError

_TAGS = (274, 280, 281, 340, 341, 34675)  # orientation, ranges of the samples, colour profile


@dataclass(frozen=True)
class DeepTiff:
    """The header of a TIFF as tifffile reads it; ``size`` is that of the stored rows, not turned."""

    size: tuple[int, int]
    orientation: int
    size_in_memory: int  # bytes of the decoded samples
    declaration: Samples
    icc_profile: bytes | None


def is_misread(image: Image.Image) -> bool:
    """Whether Pillow would give wrong pixels for this TIFF: planes of more than 8 bits, or signed bytes."""
    tags = getattr(image, "tag_v2", {})
    bits, formats = _tuple(tags.get(258, 1)), _tuple(tags.get(339, 1))
    planes = tags.get(284, 1) == 2 and len(bits) > 1
    return (planes and max(bits) > 8) or (max(bits) <= 8 and max(formats) == 2)


def has_deep_colours(image: Image.Image) -> bool:
    """Whether the colours of an opened PNG or TIFF have 16 bits, of which Pillow keeps the higher 8."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    if image.format == "TIFF":
        return max(_tuple(getattr(image, "tag_v2", {}).get(258, 8))) > 8
    arguments = first_tile(image)[2]
    return image.format == "PNG" and bool(arguments) and str(arguments[0]).endswith(";16B")


def _tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (int(value),)


def read_tiff_header(path: Path) -> DeepTiff:
    """The header of the first page. Raises WorkbenchError if it is no grey or RGB image of numbers."""
    with _tifffile().TiffFile(path) as file:
        page = file.pages[0]
        check_size(page.imagewidth, page.imagelength)
        if page.dtype is None or page.dtype.kind not in "uif" or page.photometric not in (0, 1, 2):
            raise WorkbenchError(
                f"a TIFF of {page.bitspersample} bits with the colours {_name(page.photometric)}, which "
                "is not read; convert it to 8 or 16 bits a channel"
            )
        tags = {tag.code: tag.value for tag in page.tags.values() if tag.code in _TAGS}
        bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
        declaration = Samples(
            declared_range(tags, bits),
            int(bits),
            page.dtype.kind == "u",
            page.photometric == 0,
        )
        orientation = tags.get(274, 1)
        samples = max(1, page.samplesperpixel)
        return DeepTiff(
            (page.imagewidth, page.imagelength),
            int(orientation) if isinstance(orientation, int) else 1,
            page.imagewidth * page.imagelength * samples * page.dtype.itemsize,
            declaration,
            tags.get(34675) if isinstance(tags.get(34675), bytes) else None,
        )


def read_tiff(path: Path) -> np.ndarray:
    """The samples of the first page, [H, W] or [H, W, 3]. Raises WorkbenchError if a decoder is missing."""
    try:
        with _tifffile().TiffFile(path) as file:
            page = file.pages[0]
            values, axes = page.asarray(maxworkers=1), page.axes
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise WorkbenchError(
                "a TIFF whose compression imagecodecs reads; install imagecodecs, or save it uncompressed"
            ) from None
        raise
    for position, axis in reversed(list(enumerate(axes))):
        if axis not in "YXS":
            values = np.take(values, 0, axis=position)
    axes = "".join(axis for axis in axes if axis in "YXS")
    if "S" in axes:
        values = np.moveaxis(values, axes.index("S"), -1)
        values = values[..., :3] if values.shape[-1] >= 3 else values[..., 0]
    return np.asarray(values)


def read_png(path: Path) -> np.ndarray | None:
    """The 16-bit colours [H, W, 3] of a PNG; None if they cannot be read."""
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 3 or values.dtype != np.uint16:
        return None
    return values[..., 2::-1]


def _tifffile() -> Any:
    import logging

    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # damage is raised as an error
    return tifffile


def _name(value: Any) -> str:
    return str(getattr(value, "name", value)).lower()
