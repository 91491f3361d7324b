"""Pictures on screen: one widget for a whole grid, filled by its own worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as T

from workbench.common.geometry import Box
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.panels.jobs import JobRunner

if TYPE_CHECKING:
    from workbench.bench.bench import Bench

_STATIC = Path(__file__).parents[1] / "static"
PAGE = 200  # figures sent at once
AHEAD, SIDE = 24, 160  # pictures of the first ranking that are sent unasked, and their longest side in pixels
_PACE = 0.03  # seconds of reading pictures, after which they are sent
Figure = dict[str, Any]


class Grid(anywidget.AnyWidget):
    """Figures in rows. A figure is a dict whose values are shown as text, never as HTML.

    It has ``picture`` (JPEG bytes, empty without a picture), ``alt``, ``name``, and optionally ``id`` (what
    a pick sends; the name without it), ``opens`` (what the lightbox opens), ``caption`` (shown for the name),
    ``rank``, ``score``, ``sign``, ``relevance``, ``moved``, ``members`` (of a group) and ``box`` (x0, y0, x1,
    y1 in fractions of the image). In a ranked grid a click or Enter makes a figure the
    ``current`` one; Ctrl+click or the key s adds it to the ``marked`` figures, or removes it.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("figure", "thumbs", "grid"))
    _css = _STATIC / "grid.css"
    figures = T.List(T.Dict()).tag(sync=True)
    total = T.Int(0).tag(sync=True)  # number of all figures; those after ``figures`` are sent by page
    version = T.Int(0).tag(sync=True)  # the number of the ranking that a page belongs to
    chosen = T.Int(-1).tag(sync=True)
    current = T.Unicode().tag(sync=True)  # a name
    marked = T.List(T.Unicode()).tag(sync=True)  # names
    judged = T.Dict().tag(sync=True)  # name → 1 (more like this) or -1 (less like this)
    judging = T.Bool(False).tag(sync=True)  # whether figures can be judged, by + and -
    size = T.Enum(["small", "medium", "large"], "medium").tag(sync=True)  # of a ranked grid
    label = T.Unicode().tag(sync=True)  # for screen readers
    look = T.Enum(["ranked", "strip", "single"]).tag(sync=True)
    pick = T.Bool(False).tag(sync=True)  # whether a click or Enter picks a figure
    stale = T.Bool(False).tag(sync=True)  # dimmed: shows the answer to an older question
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no figure

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()

    @T.validate("figures")
    def _captioned(self, proposal: Any) -> list[Figure]:
        return [captioned(figure) for figure in proposal["value"]]

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the figure that was picked."""
        self._on("pick", lambda content: handler(str(content["pick"])))

    def on_judge(self, handler: Callable[[tuple[str, int]], None]) -> None:
        """Call ``handler`` with the name of a judged figure and 1 or -1."""
        self._on("judge", lambda content: handler((str(content["judge"]), int(content["sign"]))))

    def load(self, figures: Callable[[], Iterable[Figure]], then: Callable[[], None] = lambda: None) -> None:
        """Compute the figures in a worker and show them; the newest call wins."""

        def work(progress: Progress) -> None:
            loaded: list[Figure] = []
            for figure in figures():
                progress("Loading pictures", len(loaded), 0)
                loaded.append(figure)
            self.figures = loaded
            then()

        self.runner.submit(work)

    def _on(self, kind: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self.on_msg(lambda _widget, content, _buffers: handler(content) if kind in content else None)


class Scroll(Grid):
    """A grid of any length. Its figures have no pictures; these follow, in the order of the figures.

    The browser requests further pages as it is scrolled, and the pictures that are missing.
    ``picture(name, side)`` returns one, in a worker; ``fail`` gets the sentence of an error.
    """

    def __init__(
        self, picture: Callable[[str, int], bytes], fail: Callable[[str], None], **traits: Any
    ) -> None:
        super().__init__(**traits)
        self.runner = JobRunner(fail=fail)
        self._picture = picture
        self._page: Callable[[int, int], list[Figure]] = lambda start, stop: []
        self._requested: dict[tuple[str, int], None] = {}  # requested pictures, the most urgent first
        self._on("pictures", self._request)
        self._on("page", self._send_page)

    def show(self, total: int, page: Callable[[int, int], list[Figure]]) -> None:
        """Show the first of ``total`` figures; ``page(start, stop)`` returns some of them."""
        first = page(0, min(total, PAGE))
        self._requested = {}
        self._page = page
        with self.hold_sync():  # one message
            self.total = total
            self.figures = first
            self.version += 1
        if self.version == 1:  # the browser's request may have to wait for the cells that run
            names = [str(figure["name"]) for figure in first[:AHEAD]]
            self._request({"pictures": names, "side": SIDE})

    def _send_page(self, content: dict[str, Any]) -> None:
        start = int(content["page"])
        if content.get("version") == self.version and 0 <= start < self.total:
            figures = [captioned(figure) for figure in self._page(start, min(self.total, start + PAGE))]
            self.send({"page": start, "version": self.version, "figures": figures})

    def _request(self, content: dict[str, Any]) -> None:
        side = int(content["side"])
        self._requested = {**{(str(name), side): None for name in content["pictures"]}, **self._requested}
        self.runner.submit(self._send_pictures)

    def _send_pictures(self, progress: Progress) -> None:
        while self._requested:
            names, sides, pictures = [], [], []
            until = time.monotonic() + _PACE
            for name, side in list(self._requested):
                progress("Loading pictures", 0, 0)  # a newer request goes on with the rest
                pictures.append(self._picture(name, side))
                names.append(name)
                sides.append(side)
                if time.monotonic() > until:
                    break
            self.send({"pictures": names, "sides": sides}, buffers=pictures)
            for sent in zip(names, sides, strict=True):
                self._requested.pop(sent, None)


def captioned(figure: Figure) -> Figure:
    """A figure with a ``caption`` in place of its name, if the name contains control characters."""
    name, alt = printable(figure["name"]), printable(figure.get("alt", ""))
    return figure if name == figure["name"] else {"caption": name, **figure, "alt": alt}


def thumbnail(bench: Bench, image_id: str, side: int = 160, box: Box | None = None) -> bytes:
    """An image's thumbnail as JPEG; empty if the file can no longer be read."""
    try:
        return bench.thumbnail(image_id, side=side, box=box)
    except WorkbenchError:
        return b""
