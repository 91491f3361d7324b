"""A link that opens a saved page in a new tab of the browser."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.text import read_bytes
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

_STATIC = Path(__file__).parents[1] / "static"


class PageLink(anywidget.AnyWidget):
    """A link to a page that was written here; without one, nothing.

    JupyterLab's own viewer stops the scripts of a page until it is trusted, so that figures would be missing.
    The browser therefore gets the contents, if they are still those that were written.
    """

    _esm = _STATIC / "page_link.js"
    _css = _STATIC / "page_link.css"
    name = T.Unicode().tag(sync=True)  # of the file; empty: there is no link
    version = T.Int(0).tag(sync=True)  # of the page

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._page: tuple[Path, str] | None = None
        self.on_msg(self._send_page)

    def show(self, path: Path) -> None:
        """Link the page that was just written to ``path``."""
        self._page = path.absolute(), _digest(read_bytes(path))
        with self.hold_sync():
            self.name, self.version = printable(path.name), self.version + 1

    def _send_page(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "open" not in content or self._page is None:
            return
        path, digest = self._page
        try:
            contents = read_bytes(path)
        except WorkbenchError:
            self.send({"error": f"{self.name} is no longer there: save the report again."})
            return
        if _digest(contents) != digest:
            self.send({"error": f"{self.name} has changed since it was saved here: open the file itself."})
            return
        self.send({"version": self.version}, buffers=[contents])


def _digest(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()
