"""Sliders for the numbers in a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Numbers(anywidget.AnyWidget):
    """Labelled sliders in a column, each over its own values.

    A slider is a dict of ``label`` (for screen readers), ``name`` (shown), ``values`` (as text) and
    ``at``, the position among them.
    """

    _esm = _STATIC / "sliders.js"
    _css = _STATIC / "sliders.css"
    sliders = T.List(T.Dict()).tag(sync=True)
    live = T.Bool(False).tag(sync=True)  # whether changes are sent while the handle moves

    def on_change(self, handler: Callable[[int, int], None]) -> None:
        """Call ``handler`` with the number of a slider and its new position."""
        self.on_msg(lambda _widget, content, _: handler(int(content["slider"]), int(content["at"])))
