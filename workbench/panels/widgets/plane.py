"""Points over two axes, with their Pareto front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Plane(anywidget.AnyWidget):
    """Points in the page's colours; arrow keys move between them, a click or Enter picks one.

    A point is a dict of ``id``, ``label`` (omitted if it would cover others), ``x``, ``y``, ``front``
    (whether no other point beats it) and ``said`` (read aloud, and shown on hovering). An axis is a dict
    of ``title``, ``log``, ``more`` (whether more is better) and ``most`` (its end, or None).
    ``trail`` are dicts of ``x`` and ``y``.
    """

    _esm = _STATIC / "plane.js"
    _css = "\n".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("plane", "tradeoff"))
    label = T.Unicode().tag(sync=True)  # for screen readers
    x = T.Dict().tag(sync=True)
    y = T.Dict().tag(sync=True)
    points = T.List(T.Dict()).tag(sync=True)
    trail = T.List(T.Dict()).tag(sync=True)
    current = T.Unicode().tag(sync=True)  # the id of a point
    stale = T.Bool(False).tag(sync=True)  # dimmed: shows the answer to an older question
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no point

    def on_pick(self, handler: Callable[[str], None]) -> None:
        """Call ``handler`` with the id of the point that was picked."""
        self.on_msg(lambda _widget, content, _buffers: handler(str(content["pick"])))
