"""The query's image with the box of the part that is searched for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"
SMALLEST = 8  # pixels of a side of a box


class Crop(anywidget.AnyWidget):
    """A picture on which a box is drawn, moved and resized; boxes are in pixels of the whole image.

    ``own``: the box is the query's own and cannot be removed.
    """

    _esm = _STATIC / "crop.js"
    _css = _STATIC / "crop.css"
    picture = T.Bytes().tag(sync=True)  # JPEG of the whole image
    name = T.Unicode().tag(sync=True)
    opens = T.Unicode().tag(sync=True)  # its reference in the lightbox
    width = T.Int().tag(sync=True)  # pixels of the whole upright image
    height = T.Int().tag(sync=True)
    box = T.List(T.Float()).tag(sync=True)  # x0, y0, x1, y1; empty: the whole image
    own = T.Bool(True).tag(sync=True)
    whole = T.Bool(True).tag(sync=True)  # whether the query without a drawn box is the whole image
    smallest = T.Int(SMALLEST).tag(sync=True)

    def on_box(self, handler: Callable[[Any], None]) -> None:
        """Call ``handler`` with the box that was drawn, or None if it was removed."""
        self.on_msg(lambda _widget, content, _buffers: handler(content["box"]))
