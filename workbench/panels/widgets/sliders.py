"""Sliders for the numbers in a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        """Call ``handler`` with the number of a slider and its new position.

        A move of a slider that has changed since is dropped.
        """

        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            number, at = int(content["slider"]), int(content["at"])
            if not 0 <= number < len(self.sliders):
                return
            slider = self.sliders[number]
            moved = content.get("label", slider["label"]), content.get("value")
            if 0 <= at < len(slider["values"]) and moved in (
                (slider["label"], None),
                (slider["label"], slider["values"][at]),
            ):
                handler(number, at)

        self.on_msg(heard)
