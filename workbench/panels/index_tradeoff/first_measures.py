"""Indexes that are measured without a click, where that takes about a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.panels.session import QUESTION, Session

if TYPE_CHECKING:
    from workbench.panels.index_tradeoff.panel import TradeoffPanel

INDEXES = ("exact", "ivf:64", "pq:16")
FEW_IMAGES = 2_000


class FirstMeasures:
    """Starts measuring ``INDEXES`` once the ranking and its evaluation have ended and no other work runs.

    They are measured in the panel's lane, so that the button ``Measure`` takes their place. A change of the
    question stops them. Nothing starts while the panel is folded away, or shows measures that were asked for.
    """

    def __init__(self, panel: TradeoffPanel, start: Callable[[tuple[str, ...]], None]) -> None:
        self.panel, self._start = panel, start
        self.running = False  # whether the work in the panel's lane was started here
        self._measured: tuple[str, object] = "", None  # the pipeline and the ranking that were last measured
        session = panel.session
        session.observe(session.guard(self.follow), ["jobs", "ranking"])
        session.observe(session.guard(self.stop), QUESTION)
        panel.widget.layout.observe(session.guard(self.follow), "display")
        self.follow(None)

    def follow(self, _: object) -> None:
        """Start if nothing else runs and nothing current is shown."""
        session: Session = self.panel.session
        if session.jobs or not session.answered or self.panel.widget.layout.display == "none":
            return
        now = session.pipeline, session.bench.collection
        if len(session.bench.collection.images) > FEW_IMAGES or now == self._measured:
            return
        chosen = tuple(name for name in self.panel.chips.chosen if name in INDEXES)
        missing = self.panel.stale or not self.panel.rows.keys() >= set(chosen)
        if missing and self.panel.rows.keys() <= set(INDEXES):
            self._measured, self.running = now, True
            self._start(chosen)

    def stop(self, _: object) -> None:
        """The question has changed: stop the work that was started here."""
        if self.running and self.panel.lane in self.panel.session.jobs:
            self._measured = "", None
            self.panel.stop()
        self.running = False
