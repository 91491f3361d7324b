"""Images as points in the plane; points are visited, chosen and lassoed by mouse or keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.colormaps import table
from workbench.common.progress import Progress
from workbench.panels.jobs import JobRunner

_STATIC = Path(__file__).parents[1] / "static"
_PARTS = ("points", "painting", "legend", "scatter")


class Scatter(anywidget.AnyWidget):
    """Points by row number. ``points`` are float32 x, y (y upwards); ``codes`` are coloured by ``colour``.

    A ``colour`` of kind ``classes`` takes codes uint8, the number of one of its ``items`` ({text, count};
    254: the ``others``, 255: none); of kind ``values`` float32 from 0 to 1 (nan: none) between its texts
    ``low`` and ``high``. Both have a ``title``, and counts of ``other`` and ``none``.

    ``describe(row)`` returns the caption and the JPEG of a point; it runs in a worker.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in _PARTS)
    _css = _STATIC / "scatter.css"
    points = T.Bytes().tag(sync=True)
    version = T.Int(0).tag(sync=True)  # of the points, sent back with their numbers
    codes = T.Bytes().tag(sync=True)
    colour = T.Dict().tag(sync=True)
    ramp = T.Bytes(table(signed=False)[:, :3].tobytes()).tag(sync=True)  # RGB of values from 0 to 1
    chosen = T.List(T.Int()).tag(sync=True)  # rows of the selection
    current = T.Int(-1).tag(sync=True)  # the row of the image under study
    query = T.Int(-1).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)  # dimmed: shows the answer to an older question
    label = T.Unicode().tag(sync=True)  # for screen readers
    empty = T.Unicode().tag(sync=True)  # a hint, shown if there is no point

    def __init__(self, describe: Callable[[int], tuple[str, bytes]], **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()
        self._describe = describe
        self.on("show", self._show)

    def on(self, kind: str, handler: Callable[[Any], None]) -> None:
        """Call ``handler`` on a message: ``choose`` (a row), ``select`` (rows) or ``show`` (a row).

        A message about points that have changed since is dropped.
        """

        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            if kind in content and content.get("version", self.version) == self.version:
                handler(content[kind])

        self.on_msg(heard)

    @T.observe("points")
    def _count(self, _: object) -> None:
        self.version += 1

    def _show(self, row: Any) -> None:
        def work(progress: Progress) -> None:
            caption, picture = self._describe(int(row))
            progress("Loading a picture", 1, 1)
            self.send({"show": row, "caption": caption}, buffers=[picture])

        self.runner.submit(work)
