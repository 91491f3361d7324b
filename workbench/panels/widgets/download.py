"""A button, or a menu, that saves a file made by Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.progress import Progress
from workbench.panels.jobs import JobRunner
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

File = Callable[[], tuple[str, bytes]]  # returns a file's name and contents
_STATIC = Path(__file__).parents[1] / "static"
_LONGEST = 140  # bytes of a file name: some systems allow 143


class Download(Dimmed, anywidget.AnyWidget):
    """The button ``Download``: with one file it saves that, with several it opens a menu of them.

    A file is made in a worker when it is asked for. The browser saves it under a safe name.
    """

    _esm = dimmed_module("download")
    _css = _STATIC / "download.css"
    label = T.Unicode("Download").tag(sync=True)
    files = T.List(T.Unicode()).tag(sync=True)  # their names in the menu
    version = T.Int(0).tag(sync=True)  # of the files, sent back with a choice

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner(fail=lambda sentence: self.send({"error": sentence}))
        self._makers: list[File] = []
        self.on_msg(self._receive)

    def offer(self, files: Mapping[str, File]) -> None:
        """Offer other files: what the menu calls each, and the function that makes it; none: no button."""
        with self.hold_sync():
            self._makers = list(files.values())
            self.version += 1
            self.files = list(files)

    def _receive(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "save" not in content:
            return
        if content.get("version") != self.version:
            self.send({"error": "What is shown has changed: press Download again."})
            return
        make = self._makers[int(content["save"])]

        def work(progress: Progress) -> None:
            name, contents = make()
            progress("Saving", 1, 1)
            self.send({"name": safe_file_name(name)}, buffers=[contents])

        self.runner.submit(work)


def safe_file_name(name: str) -> str:
    """A name as that of a file in one folder: words, points and dashes; of a long one the end is kept."""
    safe = re.sub(r"[^\w.-]+", "_", name).encode("utf-8", "ignore")[-_LONGEST:].decode("utf-8", "ignore")
    return safe.strip("._-") or "download"
