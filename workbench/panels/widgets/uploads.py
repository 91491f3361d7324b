"""Image files from the user: chosen on the disk or pasted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.config.errors import WorkbenchError

_STATIC = Path(__file__).parents[1] / "static"
LARGEST = 2**28  # bytes of a file, at most


class Uploads(anywidget.AnyWidget):
    """The button ``Upload``, and pasting of an image anywhere in its region.

    A file arrives in parts, since a message has at most 10 MB; parts may arrive on several threads.
    """

    _esm = _STATIC / "uploads.js"
    _css = _STATIC / "query.css"
    label = T.Unicode("Upload").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.Lock()
        self._files: dict[str, tuple[bytearray, list[int]]] = {}  # contents, bytes that arrived

    def on_file(self, handler: Callable[[str, bytes], None], guard: Callable[[Any], Any]) -> None:
        """Call ``handler`` with name and contents of each file; ``guard`` wraps it and handles errors."""
        self.on_msg(
            lambda _widget, content, buffers: guard(lambda _: self._take(handler, content, buffers))(None)
        )

    def _take(
        self, handler: Callable[[str, bytes], None], content: dict[str, Any], buffers: list[Any]
    ) -> None:
        name, size, start = str(content["name"]), int(content["size"]), int(content["start"])
        if not 0 <= size <= LARGEST:
            raise WorkbenchError(
                f"{name!r} is larger than {LARGEST >> 20} MB, the largest file that can be uploaded"
            )
        part = bytes(buffers[0]) if buffers else b""
        with self._lock:
            data, arrived = self._files.setdefault(str(content["file"]), (bytearray(size), [0]))
            data[start : start + len(part)] = part
            arrived[0] += len(part)
            if arrived[0] < size:
                return
            del self._files[str(content["file"])]
        handler(name, bytes(data))
