"""One picture over the whole window: its neighbours, its heat, and another picture beside it.

Any widget of a panel takes part whose picture has ``data-picture``, a reference, in its HTML; pictures of one
list have an ancestor with ``data-pictures``, the length of the list. A double click, Enter or f opens it. A
reference that begins with ``page:`` is of a picture without a file, which is shown as it is on the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np

from workbench.common import colormaps
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.jobs import Job, JobRunner

_STATIC = Path(__file__).parents[1] / "static"
LARGEST = 4096  # pixels of the longest side that a page may ask for
About = dict[str, Any]


@dataclass(frozen=True)
class Heat:
    """The heat [H, W] of a picture and of the picture beside it, on one scale.

    ``area`` is the part of the picture under the heat (x0, y0, x1, y1 in fractions).
    """

    picture: np.ndarray
    beside: np.ndarray | None
    signed: bool
    quantity: str  # shown at the scale
    area: Sequence[float] = (0, 0, 1, 1)


def page_reference(name: str) -> str:
    """The reference of a picture that has no file."""
    return f"page:{name}"


def reference(image: str, box: Sequence[float] | None = None) -> str:
    """The reference of a picture, with a box in pixels or, if no edge is above 1, in fractions."""
    return image if box is None else json.dumps([image, [float(edge) for edge in box]])


class Lightbox(anywidget.AnyWidget):
    """Opens the pictures of the panel that contains it.

    ``picture(reference, side)`` returns what is known of a picture, as a dict whose values are shown as
    text, and its JPEG: ``name``, ``path``, ``size`` (pixels), ``box`` (fractions, or None), ``facts`` (a list
    of {text, kind}) and ``beside`` (the reference of the picture beside it, or ""). ``heat(reference,
    progress)`` returns its Heat. Both run in workers; the sentence of their errors is shown in the lightbox.
    ``refine(reference, sign, box)`` is called with a region that was drawn on a picture with ``refines``: 1
    for more like it, -1 for less, and its box in fractions.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join(
        (_STATIC / f"{name}.js").read_text("utf-8")
        for name in (
            "element",
            "heat_paint",
            "region_menu",
            "lightbox_stage",
            "lightbox_parts",
            "lightbox_source",
            "lightbox",
        )
    )
    _css = "".join((_STATIC / f"{name}.css").read_text("utf-8") for name in ("lightbox", "region_menu"))

    def __init__(
        self,
        picture: Callable[[str, int], tuple[About, bytes]],
        heat: Callable[[str, Progress], Heat],
        refine: Callable[[str, int, list[float]], None],
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self._picture, self._heat, self._refine = picture, heat, refine
        self.runner = JobRunner(fail=self._fail)
        self.heat_runner = JobRunner(report=self._report, fail=self._fail)
        self._shown = False
        self.on_msg(self._answer)

    def renew(self) -> None:
        """What is known of the pictures has changed: let an open lightbox ask again."""
        if self._shown:
            self.send({"renew": True})

    def close(self) -> None:
        self.runner.cancel()
        self.heat_runner.cancel()
        super().close()

    def _answer(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if "want" in content:
            self._shown = True
            wanted, side = [str(name) for name in content["want"]], min(int(content["side"]), LARGEST)
            self.runner.submit(lambda progress: self._send_pictures(wanted, side, progress))
        if "heat" in content:
            name = str(content["heat"])
            self.heat_runner.submit(lambda progress: self._send_heat(name, progress))
        if "region" in content:
            box = [float(edge) for edge in content["box"]]
            self._refine(str(content["of"]), int(content["region"]), box)
        if "idle" in content:
            self.heat_runner.cancel()
        if "closed" in content:
            self._shown = False
            self.runner.cancel()
            self.heat_runner.cancel()

    def _send_pictures(self, wanted: list[str], side: int, progress: Progress) -> None:
        for done, name in enumerate(wanted):
            progress("Loading pictures", done, len(wanted))
            try:
                about, picture = self._picture(name, side)
            except WorkbenchError as error:
                about, picture = {"error": str(error)}, b""
            self.send({"picture": name, "side": side, "about": about}, buffers=[picture])

    def _send_heat(self, name: str, progress: Progress) -> None:
        heat = self._heat(name, progress)
        progress("Computing heat", 1, 1)  # the last moment at which a newer request can still win
        views = [view for view in (heat.picture, heat.beside) if view is not None]
        top = max(float(np.abs(view).max()) for view in views) or 1.0
        self.send(
            {
                "heat": name,
                "shapes": [list(view.shape) for view in views],
                "top": top,
                "signed": heat.signed,
                "quantity": heat.quantity,
                "area": [float(edge) for edge in heat.area],
            },
            buffers=[
                colormaps.table(heat.signed).tobytes(),
                *(np.ascontiguousarray(view, np.float32).tobytes() for view in views),
            ],
        )

    def _report(self, job: Job | None) -> None:
        count = f" · {job.done:,} of {job.total:,}" if job is not None and job.total > 1 else ""
        self.send({"work": "" if job is None else f"{job.what}{count} …"})

    def _fail(self, sentence: str) -> None:
        self.send({"fail": sentence})
