"""The figure of a grid search, drawn again as its pipelines are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import ipywidgets as W

from workbench.analysis.combinations import Combinations
from workbench.analysis.sweep import Sweep, evaluated
from workbench.common.progress import Progress
from workbench.figures.style import Figure
from workbench.panels.base import Panel
from workbench.panels.comparison import queue
from workbench.panels.session import Session
from workbench.panels.widgets.plot import Plot

LEAST = 2  # evaluated pipelines, from which on there is a figure


@dataclass(frozen=True)
class Request:
    """The pipelines of the grid that are evaluated, with their mAP."""

    template: str
    values: tuple[tuple[str, tuple[object, ...]], ...]
    measured: tuple[tuple[str, float], ...]
    sweep: Sweep = field(compare=False)


class GridFigure(Panel[Request, Figure]):
    """The mAP over the parts that vary in a grid; ``chosen`` returns its combinations."""

    lane, phase = "grid figure", "Drawing the grid"

    def __init__(self, session: Session, chosen: Callable[[], Combinations]) -> None:
        super().__init__(session)
        self._chosen = chosen
        self.plot = Plot(label="mAP over the parts of the grid")
        self.widget = W.VBox([self.plot])

    def request(self) -> Request | None:
        combinations = self._chosen()
        sweep = evaluated(combinations, list(queue.evaluated(self.session).values()))
        if len(sweep.evaluations) < LEAST:
            return None
        measured = tuple((e.pipeline, e.mean_ap) for e in sweep.evaluations)
        return Request(sweep.template, tuple(sweep.values.items()), measured, sweep)

    def compute(self, request: Request, progress: Progress) -> Figure:
        return request.sweep.figure()

    def render(self, result: Figure) -> None:
        self.plot.show(result)

    def render_nothing(self) -> None:
        self.plot.show(None)

    def dim(self, stale: bool) -> None:
        self.plot.stale = stale
