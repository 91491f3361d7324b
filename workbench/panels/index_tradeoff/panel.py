"""The trade-off panel: indexes compared with exact search by accuracy, memory and time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.analysis.index_steps import probes, valid_index_steps
from workbench.analysis.index_tradeoff import IndexMeasures, Tradeoff
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.figures.index_measures import AXES
from workbench.figures.tradeoff import tradeoff as tradeoff_figure
from workbench.panels.base import Panel
from workbench.panels.index_tradeoff import table
from workbench.panels.index_tradeoff.first_measures import FEW_IMAGES, FirstMeasures
from workbench.panels.index_tradeoff.inspector import IndexInspector
from workbench.panels.index_tradeoff.measuring import Request, Row
from workbench.panels.index_tradeoff.probes import Probed, Probing
from workbench.panels.pipeline_choices import CHOICES, NONE, with_part
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.chips import Chips
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table

EXACT = "exact"
FIRST = (EXACT, "ivf:64", "hnsw:32", "pq:16", "ivf:64,pq:16", "lsh:256", "itq:256", "sh:256")
EMPTY = "Each measured index becomes a point here: its recall over its memory, or over its speed."
SOON = " The first few are measured after the first ranking."


class TradeoffPanel(Panel[Request, Tradeoff | Row]):
    """Chosen indexes as points and rows, filled as they are measured; the picked one is inspected."""

    lane, phase, delay = "trade-off", "Measuring indexes", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.tradeoff: Tradeoff | None = None  # of the description that is shown
        self.rows: dict[str, IndexMeasures] = {}  # by the name of the chip
        self.trails: dict[str, dict[float, IndexMeasures]] = {}  # by the name of the chip, then by nprobe
        self.waiting: tuple[str, ...] = ()
        self.picked = ""
        self._running = False
        self.chips = Chips(label="Indexes", options=[EXACT, *filter(None, CHOICES["Index"])])
        self.chips.chosen = [name for name in self.chips.options if name in FIRST]
        self.more = W.Text(description="Another index", placeholder="ivf:128:4,pq:8", continuous_update=False)
        self.go = FieldButton(
            description="Measure",
            button_style="primary",
            tooltip="Measure the chosen indexes",
            fields=[self.more],
        )
        self.note = Text()
        few = len(session.bench.collection.images) <= FEW_IMAGES
        self.plot = Plot(label="Indexes over two measures", empty=EMPTY + SOON if few else EMPTY)
        self._plotted: Any = None  # what the plot shows
        axes = [(axis.label, name) for name, axis in AXES.items()]
        self.x = W.Dropdown(description="Across", options=axes, value="bytes")
        self.y = W.Dropdown(description="Up", options=axes, value="recall@10")
        self.front, self.about = Text(), Text(live=True)
        self.use = W.Button(description="Use in the pipeline", tooltip="The pipeline then runs with it")
        self.table = Table(label="Indexes measured")
        self.inspector = IndexInspector(session)
        self.probing = Probing(session, self.show_probed)
        head, traded = W.Box([self.more, self.go, self.note]), W.Box()
        self.axes = W.Box([self.x, self.y])
        traded.children = [
            self.plot,
            W.VBox([self.axes, self.front, self.about, self.probing.slider, self.use]),
        ]
        for box, name in ((head, "asking"), (self.axes, "axes"), (traded, "traded")):
            box.add_class(f"wb-{name}")
        self.widget = region("Index trade-off", self.chips, head, traded, self.table, self.inspector.widget)

        guard = session.guard
        self.more.observe(guard(self.add), "value")
        self.chips.observe(guard(self.draw), "chosen")
        self.go.on_click(guard(self.measure))
        for select in (self.x, self.y):
            select.observe(guard(self.draw), "value")
        self.plot.on_pick(lambda name: guard(lambda _: self.pick(name))(None))
        self.table.on_pick(lambda name: guard(lambda _: self.pick(name))(None))
        self.use.on_click(guard(self.apply))
        session.observe(guard(self.draw), "pipeline")
        session.observe(guard(self.follow_jobs), "jobs")
        self.draw(None)
        self.first = FirstMeasures(self, self.measure_first)

    # -- choosing and measuring

    def add(self, change: Any) -> None:
        """An index was written: offer it, and choose it."""
        text = change["new"].strip()
        if not text:
            return
        steps = valid_index_steps(text)
        name = ",".join(map(str, steps)) or EXACT
        self.chips.options = list(dict.fromkeys([*self.chips.options, name]))
        self.chips.chosen = [option for option in self.chips.options if option in {*self.chips.chosen, name}]
        self.more.value = ""

    def measure(self, _: object) -> None:
        """Measure the chosen indexes one after another; those measured already stay."""
        if not self.chips.chosen:
            raise WorkbenchError(
                "no index is chosen: switch on at least one, such as ivf:64, and press Measure"
            )
        self.first.running = False
        self._measure(Request(self.session.pipeline, tuple(self.chips.chosen)))

    def measure_first(self, chosen: tuple[str, ...]) -> None:
        """Measure some indexes without a click."""
        self._measure(Request(self.session.pipeline, chosen))

    def _measure(self, request: Request) -> None:
        with self.session.lock:
            self.waiting = request.chosen
        self.session.run(self.lane, partial(self._run, request))
        self.draw(None)

    def request(self) -> Request:
        return Request(self.session.pipeline, tuple(self.chips.chosen))

    def stages(self, request: Request, progress: Progress) -> Iterator[Tradeoff | Row]:
        """Yield the exact search of a new description, and then each index as it is measured."""
        tradeoff, description = self.tradeoff, Config.parse(request.pipeline).description
        if tradeoff is None or tradeoff.described.config != description or not tradeoff.described.fresh():
            tradeoff = self.session.bench.tradeoff((), pipeline=request.pipeline, progress=progress)
            yield tradeoff
        self.rows = {name: row for name, row in self.rows.items() if name in request.chosen}
        for name in request.chosen:
            measured = self.rows.get(name)
            if measured is None or measured.error:
                measured = tradeoff.measure(name, progress)
            yield Row(name, measured, request.chosen)

    def render(self, result: Tradeoff | Row) -> None:
        if isinstance(result, Tradeoff):
            self.tradeoff, self.rows, self.trails, self.picked = result, {}, {}, ""
            return
        rows = {**self.rows, result.name: result.measured}
        self.rows = {name: rows[name] for name in result.chosen if name in rows}
        with self.session.lock:
            self.waiting = self.waiting[1:]
        self.draw(None)

    def update(self) -> None:
        """Pick the first index that could be measured, unless one is picked."""
        if self.picked not in self.rows:
            names = (name for name, row in self.rows.items() if not row.error and name != EXACT)
            self.pick(next(names, ""))

    def follow_jobs(self, change: Any) -> None:
        """Work began or ended; after a cancel no index waits any more."""
        running = self.lane in change["new"]
        with self.session.lock:
            if running == self._running:
                return
            self._running = running
            if not running:
                self.waiting = ()
        self.draw(None)

    # -- the picked index

    def pick(self, name: str) -> None:
        """A point or a row was picked: show its measures, its probes and its contents."""
        measured = self.rows.get(name)
        self.picked = name if measured is not None else ""
        valid = measured is not None and not measured.error
        tradeoff, index = self.tradeoff if valid else None, measured.index if measured else ""
        self.probing.offer(tradeoff, name, index)
        self.draw(None)
        self.inspector.open(tradeoff, index)

    def show_probed(self, result: Probed) -> None:
        """Show the picked index at other probes."""
        tradeoff, name, _ = result.request
        if tradeoff is not self.tradeoff or name not in self.rows:
            return
        trail = self.trails.setdefault(name, {})
        for measured in (self.rows[name], result.measured):
            trail[probes(measured.index) or 0.0] = measured
        self.rows = {**self.rows, name: result.measured}
        self.draw(None)
        if self.picked == name:
            self.inspector.open(tradeoff, result.measured.index)

    def apply(self, _: object) -> None:
        """Put the picked index into the session's pipeline."""
        index = self.rows[self.picked].index
        self.session.pipeline = with_part(self.session.pipeline, "Index", NONE if index == EXACT else index)

    # -- drawing

    def draw(self, _: object) -> None:
        """Show the measured indexes as chart, table and text."""
        with self.session.lock:
            rows, x, y = self.rows, self.x.value, self.y.value
            has_truth = self.session.bench.collection.protocol is not None
            self._plot()
            self.plot.current = self.picked
            self.plot.stale = self.table.stale = self.front.stale = self.about.stale = self.stale
            front = table.front_in_words(rows, x, y)
            self.front.lines = [line(front, "note", "Pareto front")] if front else []
            self.table.columns = table.columns(has_truth)
            self.table.rows = table.rows(rows, self.waiting, self.chips.chosen)
            self.table.chosen = [self.picked] if self.picked else []
            self.about.lines = table.about(self.tradeoff, rows, self.picked)
            valid = self.picked in rows and not rows[self.picked].error
            self.use.layout.display = None if valid else "none"
            self.axes.layout.display = None if rows else "none"
            missing = [name for name in self.chips.chosen if self.stale or name not in rows]
            self.note.lines = [
                *table.note(
                    self.tradeoff, self.stale, has_truth, self.session.bench.engine.options.index_server
                ),
                *table.to_measure(missing, self.session.bench.collection),
            ]

    def _plot(self) -> None:
        """Show the figure, unless it is shown already: a new one resets the zoom."""
        trail = self.trails.get(self.picked, {})
        probed = [trail[value] for value in sorted(trail) if not trail[value].error]
        drawn = self.tradeoff, tuple(self.rows.items()), self.x.value, self.y.value, tuple(probed)
        if drawn == self._plotted:
            return
        self._plotted = drawn
        if self.tradeoff is None or not self.rows:
            self.plot.show(None)
        else:
            x, y = self.x.value, self.y.value
            self.plot.show(tradeoff_figure(self.tradeoff, x, y, self.rows, probed))

    @property
    def stale(self) -> bool:
        """Whether the numbers are of another description, or of other images: some turned out unreadable."""
        if self.tradeoff is None:
            return False
        described, session = self.tradeoff.described, self.session
        same = described.config == Config.parse(session.pipeline).description
        return not same or described.collection is not session.bench.collection
