"""Reading of image files as users have them: damaged, rotated, CMYK, 16-bit, animated or very large."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workbench.common.files import Stamp, stamp
from workbench.common.geometry import Box
from workbench.config.errors import WorkbenchError

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
NOT_READ = frozenset(
    ".heic .heif .cr2 .nef .arw .dng".split()
)  # photographs in formats that Pillow does not read
MOST_PIXELS = 178_956_970  # Pillow's own limit, above which it suspects a decompression bomb
_TAIL = 65_536
_ORIENTATION = 0x0112
# Once for the process, because ``catch_warnings`` is not thread-safe; real problems are raised as errors.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


class TemporarilyUnreadable(WorkbenchError):
    """A file could not be read for a reason outside the file, so a later try may succeed."""


@dataclass(frozen=True)
class Header:
    """The upright size of an image in pixels and the fingerprint of its file, read without decoding it."""

    width: int
    height: int
    fingerprint: str
    stamp: Stamp = (0, 0, 0, 0)


_headers: dict[Path, Header] = {}


def header(path: Path) -> Header:
    """The header of an image file, cached until the file changes (see ``read_header``)."""
    try:
        changed = stamp(path.stat())
    except (OSError, ValueError):
        return read_header(path)  # raises with the reason
    cached = _headers.get(path)
    if cached is None or cached.stamp != changed:
        cached = _headers[path] = read_header(path)
    return cached


def read_header(path: Path) -> Header:
    """Read the header and the tail of an image file. Raises WorkbenchError with the reason it is unreadable.

    The fingerprint hashes size, modification time, head and tail, so it changes when the file does, unless
    only the middle is exchanged and the time set back; ``contents`` compares whole files.
    A file without its format's end mark in the tail is decoded, to detect truncation.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(max(0, status.st_size - _TAIL))
            tail = file.read(_TAIL)
    except FileNotFoundError:
        raise WorkbenchError("the file is missing") from None
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        raise WorkbenchError(f"the file cannot be opened: {getattr(error, 'strerror', error)}") from None
    if not head:
        raise WorkbenchError("the file is empty")
    try:
        with Image.open(path) as image:
            _check_size(*image.size)
            width, height = image.size
            # Pillow decodes a whole PNG to find an EXIF chunk after the pixels: only if there is one.
            late_exif = b"eXIf" in tail or b"Raw profile" in tail
            exif = Image.Image.getexif(image) if image.format == "PNG" and not late_exif else image.getexif()
            if exif.get(_ORIENTATION, 1) in (5, 6, 7, 8):
                width, height = height, width
            complete = {
                # Only at the very end: a thumbnail inside a truncated file has an end mark too.
                "JPEG": b"\xff\xd9" in tail[-256:],
                "MPO": b"\xff\xd9" in tail[-256:],
                "PNG": b"IEND" in tail[-64:],
                "GIF": b"\x3b" in tail[-16:],
            }.get(image.format or "", False)
            if not complete:
                image.draft("RGB", (64, 64))
                image.load()
    except WorkbenchError:
        raise
    except Exception as error:  # Pillow's plugins raise any exception on damaged files
        raise WorkbenchError(_reason(error)) from None
    times = f"{status.st_size} {status.st_mtime_ns} ".encode()
    fingerprint = hashlib.blake2b(times + head + tail, digest_size=16).hexdigest()
    return Header(width, height, fingerprint, stamp(status))


def load(path: Path, box: Box | None = None, at_least: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image upright, as RGB of 8 bits, cropped to ``box`` (pixels of the upright image).

    With ``at_least`` (width, height) a JPEG may be decoded at a smaller scale, at which the crop still has
    that size. Transparency is composited on white; of an animation the first frame is read.
    Raises WorkbenchError with the reason if the file cannot be read or the box is empty.
    """
    try:
        if path.stat().st_size == 0:
            raise WorkbenchError("the file is empty")
        with Image.open(path) as image:
            _check_size(*image.size)
            full = image.size
            orientation = image.getexif().get(_ORIENTATION, 1)
            if at_least is not None and image.format == "JPEG":
                wanted = at_least
                if box is not None:
                    crop = max(box[2] - box[0], 1), max(box[3] - box[1], 1)
                    upright = full[::-1] if orientation in (5, 6, 7, 8) else full
                    wanted = (
                        int(np.ceil(wanted[0] * upright[0] / crop[0])),
                        int(np.ceil(wanted[1] * upright[1] / crop[1])),
                    )
                image.draft("RGB", wanted[::-1] if orientation in (5, 6, 7, 8) else wanted)
            image.load()
            scale = image.size[0] / full[0], image.size[1] / full[1]
            if orientation in (5, 6, 7, 8):
                scale = scale[::-1]
            upright_image = ImageOps.exif_transpose(image) if orientation != 1 else image
            upright_rgb = rgb(upright_image)
            if upright_rgb is image:  # its pixels must outlive the open file
                upright_rgb = image.copy()
    except WorkbenchError:
        raise
    except FileNotFoundError:
        raise TemporarilyUnreadable("the file is missing") from None
    except Exception as error:  # Pillow's plugins raise any exception on damaged files
        if isinstance(error, MemoryError) or getattr(
            error, "errno", None
        ):  # a fault of the system, not of the file
            reason = getattr(error, "strerror", None) or "out of memory"
            raise TemporarilyUnreadable(f"the file cannot be read now ({reason})") from None
        raise WorkbenchError(_reason(error)) from None
    return upright_rgb if box is None else crop_to(upright_rgb, box, scale)


def crop_to(image: Image.Image, box: Box, scale: tuple[float, float] = (1, 1)) -> Image.Image:
    """The part of an image inside ``box``, clipped to the image. Raises WorkbenchError if it is empty."""
    width, height = image.size
    x0, x1 = (min(max(x * scale[0], 0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(y * scale[1], 0), height) for y in (box[1], box[3]))
    if not (x1 - x0 > 0 and y1 - y0 > 0):
        raise WorkbenchError(
            f"box {','.join(f'{v:g}' for v in box)} holds no pixel of the image "
            f"({width / scale[0]:.0f}x{height / scale[1]:.0f} pixels; a box is written x0,y0,x1,y1)"
        )
    return image.crop((int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))))


def rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB of 8 bits; transparency is composited on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        if image.mode == "F":
            low, high = (0.0, 1.0) if values.size and values.max() <= 1 else (0.0, 255.0)
        else:
            low, high = 0.0, 65535.0
        levels = np.clip((values - low) / (high - low) * 255, 0, 255)
        return Image.fromarray(np.nan_to_num(levels).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        background = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(background, layer).convert("RGB")
    return image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise WorkbenchError(f"{width}x{height} pixels is more than the limit of {MOST_PIXELS:,}")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "the content is not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the limit of {MOST_PIXELS:,} pixels"
    text = str(error).split("\n")[0]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the file is truncated ({text})"
    return f"the file is damaged ({text or type(error).__name__})"
