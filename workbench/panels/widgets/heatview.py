"""A picture under heat, regions and outlines, in one widget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as T

from workbench.common import colormaps

_STATIC = Path(__file__).parents[1] / "static"
Region = dict[str, Any]


class HeatView(anywidget.AnyWidget):
    """One picture and its layers. Opacity and smoothing are changed in the browser, and synced.

    A region is a dict of ``box`` (x0, y0, x1, y1 in fractions of the picture), ``text`` (its description),
    ``strength`` 0…1 and, optionally, ``group``. ``outlines`` are polygons, lists of corners (x, y) in
    fractions. All names and texts are shown as text, never as HTML.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join(
        (_STATIC / f"{name}.js").read_text("utf-8") for name in ("heat_paint", "region_menu", "heatview")
    )
    _css = "".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("heatview", "region_menu"))
    look = T.Enum(["all", "picture", "controls"], "all").tag(sync=True)  # views may share controls
    picture = T.Bytes().tag(sync=True)  # JPEG; empty without a picture
    alt = T.Unicode().tag(sync=True)
    opens = T.Unicode().tag(sync=True)  # its reference in the lightbox; empty: it is not opened
    name = T.Unicode().tag(sync=True)
    note = T.Unicode().tag(sync=True)  # a line below the name
    heat = T.Bytes().tag(sync=True)  # float32, row by row; empty without heat
    rgb = T.Bytes().tag(sync=True)  # colours of the cells in place of heat: uint8, red, then green, then blue
    shape = T.Tuple((0, 0)).tag(sync=True)  # rows and columns of the heat
    top = T.Float(1.0).tag(sync=True)  # the end of the scale
    signed = T.Bool(False).tag(sync=True)  # whether heat may be negative
    colours = T.Bytes().tag(sync=True)  # 256 RGBA
    quantity = T.Unicode().tag(sync=True)  # the quantity of the heat, shown at the scale
    opacity = T.Float(0.85, min=0, max=1).tag(sync=True)
    smooth = T.Bool(True).tag(sync=True)  # interpolated values, or cells
    regions = T.List(T.Dict()).tag(sync=True)
    # Groups of regions that are visible; None: all.
    shown = T.List(T.Any(), default_value=None, allow_none=True).tag(sync=True)
    marked = T.Int(-1).tag(sync=True)  # the emphasised region
    outlines = T.List(T.List()).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)  # dimmed: shows the answer to an older question
    refines = T.Bool(False).tag(sync=True)  # whether regions are offered as parts of the query
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no picture

    @T.default("colours")
    def _table(self) -> bytes:
        return colormaps.table(self.signed).tobytes()

    @T.observe("signed")
    def _recolour(self, _: object) -> None:
        self.colours = self._table()

    def show(self, heat: np.ndarray | None = None, rgb: np.ndarray | None = None, **traits: Any) -> None:
        """Set several traits in one message.

        ``heat`` [H, W], or in its place ``rgb`` [H, W, 3] from 0 to 1, sets ``heat``, ``rgb`` and ``shape``.
        """
        if heat is not None:
            data = np.ascontiguousarray(heat, np.float32).tobytes()
            traits |= {"heat": data, "rgb": b"", "shape": heat.shape}
        if rgb is not None:
            data = (255 * rgb).round().astype(np.uint8).transpose(2, 0, 1).tobytes()
            traits |= {"heat": b"", "rgb": data, "shape": rgb.shape[:2]}
        with self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def on_hover(self, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the region under the pointer or the focus; -1 as it leaves."""
        self._on("hover", handler)

    def on_pick(self, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the region that was clicked, or picked with Enter.

        A pick in a picture that is no longer shown is dropped.
        """
        self._on("pick", handler)

    def on_region(self, handler: Callable[[str, int, list[float]], None]) -> None:
        """Call ``handler`` with ``opens``, 1 (more like this) or -1 (less), and a box in fractions."""

        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if "region" in content and content["opens"] == self.opens:
                handler(self.opens, int(content["region"]), [float(edge) for edge in content["box"]])

        self.on_msg(heard)

    def _on(self, event: str, handler: Callable[[int], None]) -> None:
        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if event in content and self._shows(content):
                handler(int(content[event]))

        self.on_msg(heard)

    def _shows(self, content: dict[str, Any]) -> bool:
        """Whether the region of a message is still shown, where the message says which it was."""
        if "box" not in content:
            return True
        number = int(content["pick"])
        same = content["name"] == self.name and 0 <= number < len(self.regions)
        return same and list(self.regions[number]["box"]) == content["box"]
