"""A sheet of paper on which a sketch is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

_STATIC = Path(__file__).parents[1] / "static"
SIZE = (640, 480)  # width and height of the paper, the unit of all strokes and the pixels of a drawing
Stroke = dict[str, Any]


class Canvas(anywidget.AnyWidget):
    """White paper with pen and eraser, by mouse, finger, pen or keyboard; a file may be drawn over.

    A stroke is a dict of ``colour`` (CSS; empty for the eraser), ``width`` and ``points``, both in pixels of
    the paper. ``reading`` is how the drawing is compared.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("element", "paper", "canvas"))
    _css = _STATIC / "canvas.css"
    size = T.Tuple(SIZE).tag(sync=True)
    strokes = T.List(T.Dict()).tag(sync=True)
    # An image file under the strokes; empty: white paper.
    picture = T.Bytes().tag(sync=True, from_json=lambda value, _widget: bytes(value))
    reading = T.Enum(["contours", "colours"], "contours").tag(sync=True)

    def on_drawing(self, handler: Callable[[bytes], None]) -> None:
        """Call ``handler`` after each change with the drawing as PNG; empty bytes if nothing is drawn."""
        self.on_msg(
            lambda _widget, content, buffers: handler(
                bytes(buffers[0]) if content["drawn"] and buffers else b""
            )
        )

    def show(self, strokes: list[Stroke], picture: bytes) -> None:
        """Show another drawing."""
        with self.hold_sync():
            self.strokes, self.picture = strokes, picture
