"""Reading image files as people have them: broken, rotated, CMYK, 16-bit, animated, huge."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from workbench.collections.collection import Box
from workbench.config import WorkbenchError

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .tif .tiff .webp .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
NOT_READ = frozenset(".heic .heif .cr2 .nef .arw .dng".split())  # photos, but of formats we cannot read
MOST_PIXELS = 178_956_970  # Pillow's own limit, above which it suspects a decompression bomb
_TAIL = 65_536
_ORIENTATION = 0x0112
# Once for the process, for ``catch_warnings`` is not safe in threads; what matters is raised instead.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


class NotNow(WorkbenchError):
    """A file that could not be read this time, for a reason that is not in the file: it may be another."""


@dataclass(frozen=True)
class Header:
    """What is known of an image without decoding it: upright size in pixels, and its fingerprint."""

    width: int
    height: int
    fingerprint: str


_known: dict[Path, tuple[tuple[int, int], Header]] = {}


def header(path: Path) -> Header:
    """What ``inspect`` says of a file; asked again only where the file has changed since."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return inspect(path)  # which says why
    stamp = status.st_mtime_ns, status.st_size
    known = _known.get(path)
    if known is None or known[0] != stamp:
        known = _known[path] = stamp, inspect(path)
    return known[1]


def inspect(path: Path) -> Header:
    """Read an image's header and tail, cheaply. Raises WorkbenchError with the reason it is unreadable.

    The fingerprint changes when the file does: it is made of size, time of change, head and tail.
    A file whose tail lacks its format's end mark is decoded, to tell a truncated one.
    """
    try:
        status = path.stat()
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(max(0, status.st_size - _TAIL))
            tail = file.read(_TAIL)
    except FileNotFoundError:
        raise WorkbenchError("the file is missing") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise WorkbenchError(f"the file cannot be opened: {getattr(error, 'strerror', error)}") from None
    if not head:
        raise WorkbenchError("the file is empty")
    try:
        with Image.open(path) as image:
            _check_size(*image.size)
            width, height = image.size
            # A PNG decodes itself to look for an EXIF chunk behind the pixels: only where there is one.
            late_exif = b"eXIf" in tail or b"Raw profile" in tail
            exif = Image.Image.getexif(image) if image.format == "PNG" and not late_exif else image.getexif()
            if exif.get(_ORIENTATION, 1) in (5, 6, 7, 8):
                width, height = height, width
            complete = {
                # Not anywhere in the tail: a thumbnail inside a truncated file has an end mark too.
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
    except Exception as error:  # Pillow's plugins raise what they like on broken files
        raise WorkbenchError(_reason(error)) from None
    stamp = f"{status.st_size} {status.st_mtime_ns} ".encode()
    return Header(width, height, hashlib.blake2b(stamp + head + tail, digest_size=16).hexdigest())


def load(path: Path, box: Box | None = None, at_least: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image upright, as RGB of 8 bits, cropped to ``box`` (pixels of the upright image).

    ``at_least`` (width, height) allows a JPEG to be decoded at a smaller scale, no smaller than
    that after the crop. Transparency is laid on white; of an animation the first frame counts.
    Raises WorkbenchError with the reason where the file cannot be read or the box is empty.
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
            if upright_rgb is image:  # keep it open after the file is closed
                upright_rgb = image.copy()
    except WorkbenchError:
        raise
    except FileNotFoundError:
        raise NotNow("the file is missing") from None
    except Exception as error:  # Pillow's plugins raise what they like on broken files
        if isinstance(error, MemoryError) or getattr(error, "errno", None):  # the system's, not the file's
            why = getattr(error, "strerror", None) or "out of memory"
            raise NotNow(f"the file cannot be read now ({why})") from None
        raise WorkbenchError(_reason(error)) from None
    return upright_rgb if box is None else crop_to(upright_rgb, box, scale)


def crop_to(image: Image.Image, box: Box, scale: tuple[float, float] = (1, 1)) -> Image.Image:
    """The part of an image inside ``box``, clipped to the image. Raises WorkbenchError where empty."""
    width, height = image.size
    x0, x1 = (min(max(x * scale[0], 0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(y * scale[1], 0), height) for y in (box[1], box[3]))
    if not (x1 - x0 > 0 and y1 - y0 > 0):
        raise WorkbenchError(
            f"box {','.join(f'{v:g}' for v in box)} holds no pixel of the image "
            f"({width / scale[0]:.0f}x{height / scale[1]:.0f} pixels; it is written x0,y0,x1,y1)"
        )
    return image.crop((int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))))


def rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB of 8 bits; transparency is laid on white."""
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
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise WorkbenchError(f"{width}x{height} pixels is more than the {MOST_PIXELS:,} that are read")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, whatever its name says"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {MOST_PIXELS:,} pixels that are read"
    text = str(error).split("\n")[0]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the file is truncated ({text})"
    return f"the file is damaged ({text or type(error).__name__})"
