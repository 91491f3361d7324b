"""Indexes beside exact search: what each gives up, what it saves, and what is inside."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as W

from workbench.config import SUGGESTING, Config, WorkbenchError
from workbench.panels import measures
from workbench.panels.measures import AXES
from workbench.panels.opened import Opened
from workbench.panels.pipelines import CHOICES, NONE, numbers, replaced, with_number
from workbench.panels.plain_words import described
from workbench.panels.session import Session
from workbench.panels.widgets.chips import Chips
from workbench.panels.widgets.numbers import Numbers
from workbench.panels.widgets.plane import Plane
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress
from workbench.tradeoff import Measured, Tradeoff, steps_of

LANE, PROBING = "trade-off", "probing"
EXACT = "exact"
FIRST = (EXACT, "ivf:64", "hnsw:32", "pq:16", "ivf:64,pq:16", "lsh:256", "itq:256", "sh:256")
EMPTY = "Choose indexes above and press Measure: each becomes a point here and a row below."
UNDEFINED = "None of the indexes measured has both numbers; choose other axes, or read the table."
PAUSE = 0.1  # seconds of quiet on the slider before it is measured


class TradeoffPanel:
    """Chosen indexes as points and rows, filled as they are measured; the picked one is probed and opened."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tradeoff: Tradeoff | None = None  # of the description that is shown
        self.rows: dict[str, Measured] = {}  # by the chip that asked for it
        self.trails: dict[str, dict[float, Measured]] = {}  # by the chip, then by nprobe
        self.waiting: tuple[str, ...] = ()
        self.picked = ""
        self._running = False
        self.chips = Chips(label="Indexes", options=[EXACT, *filter(None, CHOICES["Index"])])
        self.chips.chosen = [one for one in self.chips.options if one in FIRST]
        self.more = W.Text(description="Another index", placeholder="ivf:128:4,pq:8", continuous_update=False)
        self.go = W.Button(
            description="Measure", button_style="primary", tooltip="Measure the chosen indexes"
        )
        self.note = Text()
        self.plane = Plane(label="Indexes over two measures", empty=EMPTY)
        self.x = W.Dropdown(description="Across", options=list(AXES), value="bytes an image")
        self.y = W.Dropdown(description="Up", options=list(AXES), value="recall@10")
        self.front, self.about = Text(), Text(live=True)
        self.probes = Numbers(live=True)
        self.use = W.Button(description="Use this index", tooltip="Put it into the pipeline, which then runs")
        self.table = Table(label="Indexes measured")
        self.opened = Opened(session)
        asking, traded = W.Box([self.more, self.go, self.note]), W.Box()
        self.axes = W.Box([self.x, self.y])
        traded.children = [self.plane, W.VBox([self.axes, self.front, self.about, self.probes, self.use])]
        for box, name in ((asking, "asking"), (self.axes, "axes"), (traded, "traded")):
            box.add_class(f"wb-{name}")
        self.widget = region("Index trade-off", self.chips, asking, traded, self.table, self.opened.widget)

        guard = session.guard
        self.more.observe(guard(self.add), "value")
        self.go.on_click(guard(self.measure))
        for select in (self.x, self.y):
            select.observe(guard(self.draw), "value")
        self.plane.on_pick(lambda name: guard(lambda _: self.pick(name))(None))
        self.table.on_pick(lambda name: guard(lambda _: self.pick(name))(None))
        self.probes.on_change(lambda _, at: guard(lambda _: self.probe(at))(None))
        self.use.on_click(guard(self.apply))
        session.observe(guard(self.draw), "pipeline")
        session.observe(guard(self.heed), "jobs")
        self.draw(None)

    # -- choosing and measuring

    def add(self, change: Any) -> None:
        """An index was written: it joins those that are offered, and is chosen."""
        text = change["new"].strip()
        if not text:
            return
        steps = steps_of(text)
        name = ",".join(map(str, steps)) or EXACT
        self.chips.options = list(dict.fromkeys([*self.chips.options, name]))
        self.chips.chosen = [one for one in self.chips.options if one in {*self.chips.chosen, name}]
        self.more.value = ""

    def measure(self, _: object) -> None:
        """Measure what is chosen, one index after another; what was measured stays."""
        chosen = tuple(self.chips.chosen)
        if not chosen:
            raise WorkbenchError(
                "no index is chosen: switch on at least one, such as ivf:64, and press Measure"
            )
        with self.session.lock:
            self.waiting = chosen
        self.session.run(LANE, partial(self._measure, self.session.pipeline, chosen))
        self.draw(None)

    def _measure(self, pipeline: str, chosen: tuple[str, ...], progress: Progress) -> None:
        description = Config.parse(pipeline).description
        tradeoff = self.tradeoff
        if tradeoff is None or tradeoff.ready.config != description or not tradeoff.ready.fresh():
            tradeoff = self.session.bench.tradeoff((), pipeline, progress)
            progress("Measuring", 0, len(chosen))
            self.tradeoff, self.rows, self.trails, self.picked = tradeoff, {}, {}, ""
        self.rows = {name: one for name, one in self.rows.items() if name in chosen}
        for name in chosen:
            if name not in self.rows or self.rows[name].error:
                measured = tradeoff.measure(name, progress)
                progress(f"measured {name}", 1, 1)
                self.rows = {
                    one: {**self.rows, name: measured}[one] for one in chosen if one in (*self.rows, name)
                }
            with self.session.lock:
                self.waiting = self.waiting[1:]
            self.draw(None)
        if self.picked not in self.rows:
            self.pick(next((name for name, one in self.rows.items() if not one.error and name != EXACT), ""))

    def heed(self, change: Any) -> None:
        """Work began or ended; where it was cancelled, nothing waits any more."""
        running = LANE in change["new"]
        with self.session.lock:
            if running == self._running:
                return
            self._running = running
            if not running:
                self.waiting = ()
        self.draw(None)

    # -- the picked one

    def pick(self, name: str) -> None:
        """A point or a row was picked: tell of it, let its probes be set, and open it."""
        measured = self.rows.get(name)
        self.picked = name if measured is not None else ""
        there = measured is not None and not measured.error
        self.probes.sliders = self._sliders(measured) if measured is not None and there else []
        self.draw(None)
        self.opened.open(self.tradeoff if there else None, measured.index if measured else "")

    def probe(self, at: int) -> None:
        """The slider was moved: measure the picked index there."""
        measured, name = self.rows[self.picked], self.picked
        pipeline = self._pipeline(measured.index)
        position, _ = self._probing(measured.index)
        probed = with_number(pipeline, "Index", position, float(self.probes.sliders[0]["values"][at]))
        index = ",".join(map(str, Config.parse(probed).index_steps))
        self.session.run(PROBING, partial(self._probe, name, index), PAUSE)

    def _probe(self, name: str, index: str, progress: Progress) -> None:
        tradeoff = self.tradeoff
        if tradeoff is None or name not in self.rows:
            return
        measured = tradeoff.measure(index, progress)
        progress("Probing", 1, 1)
        before = self.rows[name]
        trail = self.trails.setdefault(name, {})
        for one in (before, measured):
            trail[_probes(one.index)] = one
        self.rows = {**self.rows, name: measured}
        self.draw(None)
        if self.picked == name:
            self.opened.open(tradeoff, measured.index)

    def apply(self, _: object) -> None:
        """Put the picked index into the session's pipeline."""
        index = self.rows[self.picked].index
        self.session.pipeline = replaced(self.session.pipeline, "Index", NONE if index == EXACT else index)

    def _pipeline(self, index: str) -> str:
        assert self.tradeoff is not None
        return str(Config.parse(f"{self.tradeoff.ready.config.description}/{index}"))

    def _probing(self, index: str) -> tuple[int, tuple[str, tuple[float, ...], float]]:
        """Of the numbers of an index, that of its probes: its position, and what may stand there."""
        found = numbers(self._pipeline(index), "Index")
        return next((p, n) for p, n in enumerate(found) if n[0] in ("nprobe", "candidates"))

    def _sliders(self, measured: Measured) -> list[dict[str, Any]]:
        assert self.tradeoff is not None
        if not any(step.name in SUGGESTING for step in steps_of(measured.index)):
            return []
        name, values, at = self._probing(measured.index)[1]
        texts = [f"{value:g}" for value in values]
        return [
            {"label": f"{name} of {measured.index}", "name": name, "values": texts, "at": values.index(at)}
        ]

    # -- showing

    def draw(self, _: object) -> None:
        """Bring chart, table and words in line with what was measured."""
        with self.session.lock:
            rows, x, y = self.rows, self.x.value, self.y.value
            judged = self.session.bench.collection.protocol is not None
            drawn = measures.points(rows, x, y)
            trail = self.trails.get(self.picked, {})
            with self.plane.hold_sync():
                self.plane.x, self.plane.y = AXES[x]._asdict(), AXES[y]._asdict()
                self.plane.points, self.plane.current = drawn, self.picked
                self.plane.trail = measures.trail([trail[probes] for probes in sorted(trail)], x, y)
                self.plane.stale, self.plane.empty = self._stale(), UNDEFINED if rows else EMPTY
            self.front.lines = [line(measures.front_in_words(drawn, x, y), "note")] if drawn else []
            self.table.columns = measures.columns(judged)
            self.table.rows = [
                *(measures.row(name, one) for name, one in rows.items()),
                *({"id": n, "cells": {"index": n}, "said": "…"} for n in self.waiting if n not in rows),
            ]
            self.table.chosen = [self.picked] if self.picked else []
            self.about.lines = self._about(rows.get(self.picked))
            there = self.picked in rows and not rows[self.picked].error
            self.use.layout.display = None if there else "none"
            self.axes.layout.display = None if rows else "none"
            self.note.lines = self._note()

    def _stale(self) -> bool:
        description = Config.parse(self.session.pipeline).description
        return self.tradeoff is not None and self.tradeoff.ready.config != description

    def _about(self, measured: Measured | None) -> list[Line]:
        if measured is None:
            return [line("Pick a point or a row to see what is inside.", "note")] if self.rows else []
        if measured.error:
            return [line(measured.index, "pipeline"), line(measured.error, "error")]
        words = described(self._pipeline(measured.index)).partition("approximate: ")[2]
        return [line(measured.index, "pipeline"), line(words or "every image is compared", "note")]

    def _note(self) -> list[Line]:
        if self._stale() and self.tradeoff is not None:
            said = f"Measured for {self.tradeoff.ready.config}. Measure starts anew for the pipeline now."
            return [line(said, "warning")]
        said = "Recall@k: percent of exact search's first k that are among the index's."
        if self.tradeoff is None:
            return [line(said, "note")]
        images, queries = len(self.tradeoff.database), len(self.tradeoff.queries)
        truth = "mAP without re-ranking. " if self.session.bench.collection.protocol is not None else ""
        said += f" {truth}{images:,} images, {queries:,} queries, each timed alone, its own image left out."
        return [line(said, "note")]


def _probes(index: str) -> float:
    """How much of it an index probes."""
    return next(step.args[1] for step in steps_of(index) if step.name in SUGGESTING)
