"""The parts of a query: each a chip with a weight, a switch and a button that removes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as T

from workbench.common.progress import Progress
from workbench.panels.jobs import JobRunner

_STATIC = Path(__file__).parents[1] / "static"
LONGEST = 200  # characters of a name that are sent
Chip = dict[str, Any]


class QueryParts(anywidget.AnyWidget):
    """Chips. A chip is a dict of ``id``, ``kind``, ``name``, ``picture`` (JPEG), ``weight`` and ``on``.

    ``joint`` is the word between it and the chip before it, and ``opens`` the reference of its picture in the
    lightbox. A chip with a ``reading`` has a button that exchanges it for the ``other`` reading. Events carry
    the id of the chip that was on screen; those of another one are dropped.
    """

    # Files joined into one module: the module of a widget cannot import another.
    _esm = "\n".join((_STATIC / f"{name}.js").read_text("utf-8") for name in ("element", "query_parts"))
    _css = _STATIC / "query_parts.css"
    chips = T.List(T.Dict()).tag(sync=True)
    label = T.Unicode("Parts of the query").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.runner = JobRunner()

    def on_weight(self, handler: Callable[[int, float], None]) -> None:
        """Call ``handler`` with the place of a chip and its new weight."""
        self._on("weight", lambda place, value: handler(place, float(value)))

    def on_switch(self, handler: Callable[[int, bool], None]) -> None:
        """Call ``handler`` with the place of a chip, and whether it is on."""
        self._on("on", lambda place, value: handler(place, bool(value)))

    def on_remove(self, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the place of the chip to remove."""
        self._on("remove", lambda place, _: handler(place))

    def on_reading(self, handler: Callable[[int], None]) -> None:
        """Call ``handler`` with the place of the chip whose reading is exchanged."""
        self._on("reading", lambda place, _: handler(place))

    def load(self, chips: Callable[[], Iterable[Chip]]) -> None:
        """Compute the chips in a worker and show them; the newest call wins."""

        def work(progress: Progress) -> None:
            loaded = [chip | {"name": str(chip["name"])[:LONGEST]} for chip in chips()]
            progress("Loading pictures", len(loaded), 0)
            self.chips = loaded

        self.runner.submit(work)

    def _on(self, event: str, handler: Callable[[int, Any], None]) -> None:
        def heard(_widget: object, content: dict[str, Any], _buffers: object) -> None:
            place = int(content["chip"])
            same = 0 <= place < len(self.chips) and self.chips[place]["id"] == content["id"]
            if event in content and same:
                handler(place, content[event])

        self.on_msg(heard)
