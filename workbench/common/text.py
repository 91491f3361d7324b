"""Text and JSON files as users have them: with a byte-order mark, in another encoding, or no file at all."""

from __future__ import annotations

import codecs
import contextlib
import json
import stat
from pathlib import Path
from typing import Any

from workbench.config.errors import WorkbenchError

DEEPEST = 100  # levels of lists and tables in a JSON file; ours have fewer than ten


def read_bytes(path: Path) -> bytes:
    """Read a regular file. Raises WorkbenchError with the reason if it cannot be read.

    A named pipe would wait for a writer, and a device may never end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "folder" if path.is_dir() else "pipe, socket or device"
            raise WorkbenchError(f"{str(path)!r} cannot be opened: it is a {kind}, not a file")
        return path.read_bytes()
    except FileNotFoundError:
        raise WorkbenchError(f"{str(path)!r} does not exist; check the path") from None
    except (OSError, ValueError) as error:  # WorkbenchError is a ValueError
        if isinstance(error, WorkbenchError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise WorkbenchError(f"{str(path)!r} cannot be opened: {reason}") from None


def read_text(path: Path) -> str:
    """Read text in UTF-8, with or without a byte-order mark; line ends stay as they are.

    Raises WorkbenchError with the reason if it cannot be read, or is in another encoding.
    """
    content = read_bytes(path)
    # UTF-16 of Latin letters has a zero in every second byte, with or without its byte-order mark.
    wide = any(content[start:12:2].strip(b"\0") == b"" for start in (0, 1)) and len(content) > 3
    with contextlib.suppress(UnicodeDecodeError):
        if not wide:
            return content.decode("utf-8-sig")
    wide = wide or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "UTF-16" if wide else "Latin-1 or another encoding"
    raise WorkbenchError(f"{str(path)!r} is not UTF-8 but {encoding}; save it as UTF-8")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError if it is none, also if it is nested deeper than DEEPEST levels."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [content]
    for _ in range(DEEPEST):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return content
    raise ValueError("it is nested too deep")
