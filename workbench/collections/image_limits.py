"""Limits on decoding that are known before it starts: pixels, memory over all threads, what may be slow."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from workbench.collections.image_formats import first_tile
from workbench.config.errors import WorkbenchError

MOST_PIXELS = 178_956_970  # Pillow's own limit, above which it suspects a decompression bomb
MOST_BYTES = 2**31  # of memory for decoding, in total over the threads of the process
LARGE = 2**25  # pixels; slow formats above it are decoded in a process that can be ended
_PYTHON_DECODED = 2**21  # pixels of a format that Pillow decodes in Python
_MOST_SCAN_PIXELS = 500_000_000  # scans × pixels of a JPEG that are decoded in well under a second
_MOST_LAYERS = 64  # quality layers of a JPEG 2000 file; encoders write one to about twenty
_CONVERTED = 8  # bytes a pixel for the RGB image and a turned or colour-managed copy
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # 4 for the others
# What decoders hold beside Pillow's image, in bytes a pixel: canvases, planes, coefficients.
_DECODER_BYTES = {"WEBP": 14, "AVIF": 10, "HEIF": 14, "JPEG2000": 16, "JXL": 16}


def check_size(width: int, height: int) -> None:
    """Raise WorkbenchError where an image has more than ``MOST_PIXELS`` pixels, or none."""
    if width * height > MOST_PIXELS:
        raise WorkbenchError(f"{width}x{height} pixels is more than the limit of {MOST_PIXELS:,}")
    if width < 1 or height < 1:
        raise WorkbenchError(f"the file declares {width}x{height} pixels")


def decoding_bytes(kind: str, mode: str, decoded: tuple[int, int], buffer: int = 0) -> int:
    """The memory in bytes that decoding and conversion to RGB take at most.

    ``decoded`` is the (width, height) of the decoded pixels, ``buffer`` what the decoder holds beside them.
    """
    pixels = decoded[0] * decoded[1]
    return pixels * (_MODE_BYTES.get(mode, 4) + _CONVERTED + _DECODER_BYTES.get(kind, 0)) + buffer


def image_bytes(kind: str, image: Image.Image, full: tuple[int, int]) -> int:
    """``decoding_bytes`` of an opened image whose stored size is ``full``."""
    pixels, buffer = full[0] * full[1], 0
    if kind == "JPEG" and is_progressive(image):
        buffer = 6 * pixels  # coefficients of 16 bits for three components
    if kind == "TIFF":
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(258, (8,))
        bits = sum(bits) if isinstance(bits, tuple) else int(bits)
        sides = [side for side in (tags.get(322), tags.get(323)) if isinstance(side, int)]
        buffer = bits * max(pixels, sides[0] * sides[1] if len(sides) == 2 else 0) // 8
    return decoding_bytes(kind, image.mode, image.size, buffer)


class _Budget:
    """Bytes that threads share: a thread waits until what it needs is free."""

    def __init__(self, total: int) -> None:
        self._free = self.total = total
        self._changed = threading.Condition()
        self._held = threading.local()

    def check(self, needed: int) -> None:
        """Raise WorkbenchError if ``needed`` bytes are more than the total."""
        if needed > self.total:
            raise WorkbenchError(
                f"decoding it takes {needed / 2**30:.1f} GB of memory, more than the limit of "
                f"{self.total / 2**30:.0f} GB; make it smaller, or save it as JPEG"
            )

    @contextlib.contextmanager
    def reserve(self, needed: int) -> Iterator[None]:
        """Hold ``needed`` bytes. Raises WorkbenchError if they are more than the total.

        A thread that holds some takes no more, so that threads never wait for each other.
        """
        self.check(needed)
        if getattr(self._held, "any", False):
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._free >= needed)
            self._free -= needed
        self._held.any = True
        try:
            yield
        finally:
            self._held.any = False
            with self._changed:
                self._free += needed
                self._changed.notify_all()


MEMORY = _Budget(MOST_BYTES)


def may_be_slow(path: Path, kind: str, image: Image.Image | None, size: tuple[int, int], head: bytes) -> bool:
    """Whether decoding may take far longer than photographs do, judged by the header (and a JPEG's scans)."""
    pixels = size[0] * size[1]
    if kind in _DECODER_BYTES and pixels > LARGE:
        return True
    if kind == "JPEG2000":
        at = head.find(b"\xff\x52")  # COD: length, style, progression, layers (ISO 15444-1, A.6.1)
        return at >= 0 and int.from_bytes(head[at + 6 : at + 8], "big") > _MOST_LAYERS
    if image is None:
        return False
    if kind == "PPM":
        return first_tile(image)[0] != "raw" and pixels > _PYTHON_DECODED
    if kind == "JPEG":
        return _has_many_scans(image) and _scans(path) * pixels > _MOST_SCAN_PIXELS
    if kind == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg"):
        return _scans(path) > 64
    return False


def is_progressive(image: Image.Image) -> bool:
    """Whether a JPEG's decoder holds the coefficients of all its pixels."""
    return bool(image.info.get("progressive")) or _has_many_scans(image)


def _has_many_scans(image: Image.Image) -> bool:
    """Whether the components of a JPEG are in several scans, by the start of its first scan (T.81, B.2.3)."""
    file, components = getattr(image, "fp", None), getattr(image, "layers", 0)
    if file is None or image.info.get("progressive"):
        return True
    end = file.tell()  # Pillow has read this segment last
    file.seek(max(0, end - 2 * components - 8))
    segment = file.read(5)
    file.seek(end)
    return segment != b"\xff\xda" + (2 * components + 6).to_bytes(2, "big") + bytes([components])


def _scans(path: Path) -> int:
    # Coded data hold no marker, so only a thumbnail in the header is counted too.
    return path.read_bytes().count(b"\xff\xda")
