"""Image files brought in by hand: chosen from the disk or pasted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.config import WorkbenchError

_STATIC = Path(__file__).parents[1] / "static"
LARGEST = 2**28  # bytes of a file that is taken


class Uploads(anywidget.AnyWidget):
    """The button ``Upload``, and pasting an image anywhere in the region that it stands in.

    A file comes in parts, for one message may hold 10 MB only; parts may come on several threads.
    """

    _esm = _STATIC / "uploads.js"
    _css = _STATIC / "query.css"
    label = T.Unicode("Upload").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._lock = threading.Lock()
        self._files: dict[str, tuple[bytearray, list[int]]] = {}  # what has come, and how many bytes

    def on_file(self, handler: Callable[[str, bytes], None], guard: Callable[[Any], Any]) -> None:
        """Call ``handler`` with name and contents of each file; ``guard`` is round it, for errors."""
        self.on_msg(
            lambda _widget, content, buffers: guard(lambda _: self._take(handler, content, buffers))(None)
        )

    def _take(
        self, handler: Callable[[str, bytes], None], content: dict[str, Any], buffers: list[Any]
    ) -> None:
        name, size, start = str(content["name"]), int(content["size"]), int(content["start"])
        if not 0 <= size <= LARGEST:
            raise WorkbenchError(f"{name!r} is larger than the {LARGEST >> 20} MB that are taken")
        part = bytes(buffers[0]) if buffers else b""
        with self._lock:
            data, come = self._files.setdefault(str(content["file"]), (bytearray(size), [0]))
            data[start : start + len(part)] = part
            come[0] += len(part)
            if come[0] < size:
                return
            del self._files[str(content["file"])]
        handler(name, bytes(data))
