"""Reading of image files as users have them: the header, and the upright RGB pixels of any kind of file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.collections.decoding import decode, read_head
from workbench.collections.image_ends import TAIL
from workbench.collections.image_headers import read_facts
from workbench.collections.image_limits import MOST_PIXELS
from workbench.collections.image_modes import rgb
from workbench.collections.video.moment import DECIMALS, Moment, moment_of
from workbench.common import files
from workbench.common.files import Stamp, stamp
from workbench.common.geometry import Box
from workbench.config.errors import TemporarilyUnreadable, WorkbenchError

__all__ = [
    "Header",
    "TemporarilyUnreadable",
    "crop_to",
    "header",
    "known_note",
    "load",
    "read_header",
    "rgb",
    "value_notes",
]

# Once for the process, because ``catch_warnings`` is not thread-safe; real problems are raised as errors.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class Header:
    """The upright size of an image in pixels and the fingerprint of its file, read without decoding it.

    ``note`` says what has to be assumed to read its values, such as the range of floats; mostly empty.
    """

    width: int
    height: int
    fingerprint: str
    note: str = ""
    rules: str = ""
    stamp: Stamp = (0, 0, 0, 0)


_headers: dict[str, Header] = {}  # by path
_unsettled: set[str] = set()  # paths whose files may have changed once more without another stamp


def header(path: Path) -> Header:
    """The header of an image file, cached until the file changes (see ``read_header``), or of the video that
    a moment belongs to."""
    if (moment := moment_of(path)) is not None:
        return _moment_header(moment)
    name = os.fspath(path)
    known = known_header(name)
    if known is not None:
        return known
    read = read_header(path)
    _headers[name] = read
    if files.is_settled(read.stamp):
        _unsettled.discard(name)
    else:
        _unsettled.add(name)
    return read


def known_header(path: str) -> Header | None:
    """The header of an image that has been read or remembered, if its file has not changed since."""
    known = _headers.get(path)
    if known is None or path in _unsettled:
        return None
    try:
        return known if known.stamp == stamp(os.stat(path)) else None
    except (OSError, ValueError):
        return None  # reading it raises with the reason


def is_settled(path: str) -> bool:
    """Whether the header of an image is known, and tells every change of its file by its stamp."""
    return path in _headers and path not in _unsettled


def remember(headers: Mapping[str, Header]) -> None:
    """Keep settled headers that were read earlier, by path, each until its file's stamp differs."""
    _headers.update(headers)
    _unsettled.difference_update(headers)


def exists(path: Path) -> bool:
    """Whether there is a file of that path, or the video of that moment."""
    moment = moment_of(path)
    return (path if moment is None else moment.file).is_file()


def known_note(path: Path) -> str:
    """The note of a header that has been read already; empty for most images."""
    cached = _headers.get(os.fspath(path))
    return cached.note if cached else ""


def value_notes(headers: Mapping[str, Header]) -> tuple[str, ...]:
    """A note on the images whose values had to be read with an assumption, which the report names."""
    assumed = [image for image, header in headers.items() if header.note]
    if not assumed:
        return ()
    number = f"{len(assumed):,} images do" if len(assumed) > 1 else "1 image does"
    return (
        f"{number} not declare a range of values, which is taken from the values themselves (see the report)",
    )


def read_header(path: Path) -> Header:
    """Read the header and the tail of an image file. Raises WorkbenchError with the reason it is unreadable.

    The fingerprint hashes size, modification time, head and tail, so it changes when the file does, unless
    only the middle is exchanged and the time set back; ``contents`` compares whole files.
    A file without its format's end mark in the tail is decoded, to detect truncation.
    """
    try:
        status, head = path.stat(), read_head(path)
        with path.open("rb") as file:
            file.seek(max(0, status.st_size - TAIL))
            tail = file.read(TAIL)
    except FileNotFoundError:
        raise WorkbenchError("the file is missing") from None
    except WorkbenchError:
        raise
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        raise WorkbenchError(f"the file cannot be opened: {getattr(error, 'strerror', error)}") from None
    with reasons():
        facts = read_facts(path, head, tail, status.st_size)
    times, rules = f"{status.st_size} {status.st_mtime_ns} ".encode(), " ".join(facts.rules)
    content = times + head + tail + rules.encode()
    fingerprint = hashlib.blake2b(content, digest_size=16).hexdigest()
    return Header(*facts.size, fingerprint, facts.note, rules, stamp(status))


def _moment_header(moment: Moment) -> Header:
    """The header of a frame; its fingerprint is that of the video and the time."""
    from workbench.collections.video.header import video_header  # OpenCV, which images do not need

    with reasons():
        video = video_header(moment.file)
    content = f"{video.fingerprint} {moment.seconds:.{DECIMALS}f}".encode()
    fingerprint = hashlib.blake2b(content, digest_size=16).hexdigest()
    return Header(video.width, video.height, fingerprint, stamp=video.stamp)


def load(path: Path, box: Box | None = None, at_least: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image upright, as sRGB of 8 bits, cropped to ``box`` (pixels of the upright image).

    With ``at_least`` (width, height) a JPEG, or a very large image, may be decoded at a smaller scale, at
    which the crop still has that size. Transparency is composited on white; of an animation the first frame
    is read. A moment is decoded as its frame.
    Raises WorkbenchError with the reason if the file cannot be read or the box is empty.
    """
    if (moment := moment_of(path)) is not None:
        from workbench.collections.video.reader import reader_of

        with reasons():
            frame = reader_of(moment.file).frame_at(moment.seconds)[1]
        return frame if box is None else crop_to(frame, box)
    with reasons():
        decoded = decode(path, box, at_least)
    if box is None:
        return decoded.image
    scale = decoded.image.width / decoded.full[0], decoded.image.height / decoded.full[1]
    return crop_to(decoded.image, box, scale)


@contextlib.contextmanager
def reasons() -> Iterator[None]:
    """Raise any error of a decoder as WorkbenchError with its reason."""
    try:
        yield
    except WorkbenchError:
        raise
    except FileNotFoundError:
        raise TemporarilyUnreadable("the file is missing") from None
    except Exception as error:  # Pillow's plugins raise any exception on damaged files
        # A fault of the system, not of the file.
        if isinstance(error, MemoryError) or getattr(error, "errno", None):
            reason = getattr(error, "strerror", None) or "out of memory"
            raise TemporarilyUnreadable(f"the file cannot be read now ({reason})") from None
        raise WorkbenchError(_reason(error)) from None


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


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "the content is not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the limit of {MOST_PIXELS:,} pixels"
    text = str(error).split("\n")[0]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the file is truncated ({text})"
    return f"the file is damaged ({text or type(error).__name__})"
