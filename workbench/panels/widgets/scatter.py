"""Images as points in the plane: walked, chosen and lassoed in the browser, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.colours import table
from workbench.panels.jobs import JobRunner
from workbench.progress import Progress

_STATIC = Path(__file__).parents[1] / "static"
_PARTS = ("points", "painting", "legend", "scatter")


class Scatter(anywidget.AnyWidget):
    """Points by row number. ``points`` are float32 x, y (y upwards); ``codes`` are what ``colour`` colours:

    of kind ``classes`` uint8, the number of one of its ``items`` ({text, count}; 254: the ``others``,
    255: none), of kind ``values`` float32 from 0 to 1 (NaN: none) between its texts ``low`` and
    ``high``. Both have a ``title``, and counts of ``other`` and ``none``.

    ``describe(row)`` makes the caption and the JPEG shown for a point, in a worker.
    """

    # One module, of files that hold an idea each: a module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in _PARTS)
    _css = _STATIC / "scatter.css"
    points = T.Bytes().tag(sync=True)
    codes = T.Bytes().tag(sync=True)
    colour = T.Dict().tag(sync=True)
    ramp = T.Bytes(table(signed=False)[:, :3].tobytes()).tag(sync=True)  # RGB of values from 0 to 1
    chosen = T.List(T.Int()).tag(sync=True)  # rows of the selection
    current = T.Int(-1).tag(sync=True)  # the row of the image under study
    query = T.Int(-1).tag(sync=True)
    stale = T.Bool(False).tag(sync=True)  # dimmed: what is shown is of an older question
    label = T.Unicode().tag(sync=True)  # for screen readers
    empty = T.Unicode().tag(sync=True)  # what to do, shown where there is no point

    def __init__(self, describe: Callable[[int], tuple[str, bytes]], **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()
        self._describe = describe
        self.on("show", self._show)

    def on(self, kind: str, handler: Callable[[Any], None]) -> None:
        """Call ``handler`` with what the browser says: ``choose`` a row, ``select`` rows, ``show`` a row."""
        self.on_msg(lambda _widget, content, _buffers: handler(content[kind]) if kind in content else None)

    def _show(self, row: Any) -> None:
        def work(progress: Progress) -> None:
            caption, picture = self._describe(int(row))
            progress("Loading a picture", 1, 1)
            self.send({"show": row, "caption": caption}, buffers=[picture])

        self.runner.submit(work)
