"""The orientation of an image (EXIF 2.32, tag 0x0112): read from any format, and applied."""

from __future__ import annotations

from PIL import Image

from workbench.collections.declared_size import jxl_orientation
from workbench.collections.image_formats import HEAD

_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(image: Image.Image, without_decoding: bool = False) -> int:
    """The orientation 1 to 8; 1 if there is none, or if the metadata are damaged.

    Pillow decodes a whole PNG to find metadata after the pixels, unless ``without_decoding``.
    """
    rebuilt = getattr(image, "jpeg", False)  # a JPEG in a JPEG XL file, which is not turned
    if image.format == "JXL" and not rebuilt and jxl_orientation(getattr(image, "fc", b"")[:HEAD]) != 1:
        return 1  # the decoder has turned it already
    try:
        exif = Image.Image.getexif(image) if without_decoding else image.getexif()
        value = exif.get(_TAG, 1)
    except OSError:
        raise
    except Exception:  # damaged metadata of an image that is whole
        return 1
    return value if value in _TURNS else 1


def stored_size(image: Image.Image) -> tuple[int, int]:
    """The (width, height) of the stored rows; Pillow 11 and newer turns the ``size`` of a TIFF already."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None and isinstance(tags.get(256), int) and isinstance(tags.get(257), int):
        return tags[256], tags[257]
    return image.size


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (width, height) after turning."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """The upright image."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
