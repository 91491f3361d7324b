"""Sliders for the numbers in a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"


class Numbers(anywidget.AnyWidget):
    """Sliders one below the other, each labelled, each over values of its own.

    A slider is a dict of ``label`` (for screen readers), ``name`` (shown), ``values`` (as text) and
    ``at``, the position among them.
    """

    _esm = _STATIC / "numbers.js"
    _css = _STATIC / "numbers.css"
    sliders = T.List(T.Dict()).tag(sync=True)
    live = T.Bool(False).tag(sync=True)  # whether a change is heard of as the handle moves

    def on_change(self, handler: Callable[[int, int], None]) -> None:
        """Call ``handler`` with the number of a slider and the position it was set to."""
        self.on_msg(lambda _widget, content, _: handler(int(content["slider"]), int(content["at"])))
