"""Bars of regions: each has a small picture of its region, its contribution, and lights when pointed at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.config.printable import printable
from workbench.panels.widgets.dimmed import Dimmed, dimmed_module

_STATIC = Path(__file__).parents[1] / "static"
Bar = dict[str, Any]


class RegionBars(Dimmed, anywidget.AnyWidget):
    """A sum as bars, by mouse and keyboard; pointing at a bar or focusing it says so, a click picks it.

    A bar is a dict of ``text``, ``value`` (its contribution as text), ``share`` (text) and ``length`` −1…1.
    Those in ``bars`` also have an ``id``, a ``said`` (for screen readers) and ``boxes``: one for each of
    ``pictures``, x0, y0, x1, y1 in fractions. The first ``shown`` of them are shown, and a button shows all,
    with the sum of the others as ``others``. ``rest`` are bars below, the last the whole, and ``levels``
    those of a second sum.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = dimmed_module("element", "region_bars")
    _css = _STATIC / "region_bars.css"
    title = T.Unicode().tag(sync=True)
    label = T.Unicode().tag(sync=True)  # for screen readers
    folded = T.Bool(False).tag(sync=True)  # under the title, which opens it
    pictures = T.List(T.Bytes()).tag(sync=True)  # JPEG
    bars = T.List(T.Dict()).tag(sync=True)
    shown = T.Int(0).tag(sync=True)
    others = T.Dict().tag(sync=True)
    rest = T.List(T.Dict()).tag(sync=True)
    levels = T.List(T.Dict()).tag(sync=True)
    level_title = T.Unicode().tag(sync=True)  # above the levels
    marked = T.Unicode().tag(sync=True)  # the id of the emphasised bar

    @T.validate("bars", "rest", "levels")
    def _printable(self, proposal: Any) -> list[Bar]:
        """Escape control characters in texts."""
        return [{**bar, "text": printable(bar["text"])} for bar in proposal["value"]]

    def show(self, **traits: Any) -> None:
        """Set several traits in one message."""
        with self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def on_point(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the bar under the pointer or the focus; empty as it leaves."""
        self._on("point", handler)

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the bar that was clicked, or picked with Enter."""
        self._on("pick", handler)

    def _on(self, event: str, handler: Callable[[str], None]) -> None:
        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            known = {"", *(bar["id"] for bar in self.bars)}  # the bars may have changed meanwhile
            if content.get(event) in known:
                handler(content[event])

        self.on_msg(heard)
