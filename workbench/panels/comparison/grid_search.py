"""The choice of parts for a grid search, which evaluates every combination."""

from __future__ import annotations

import statistics

import ipywidgets as W

from workbench.analysis.sweep import Grid, grid
from workbench.features.backbones import BACKBONES
from workbench.features.weights import availability
from workbench.panels.comparison import queue
from workbench.panels.formatting import plural, time_left
from workbench.panels.local_backbones import usable_features
from workbench.panels.pipeline_choices import CHOICES, part
from workbench.panels.session import Session
from workbench.panels.widgets.chips import Chips
from workbench.panels.widgets.region import Text, line

PARTS = {
    "Backbones": "Backbone",
    "Poolings": "Pooling",
    "Region grids": "Regions",
    "Weightings": "Weighting",
    "Whitenings": "Whitening",
    "Re-rankings": "Re-ranking",
}


class GridSearchChoice:
    """Options of each part, the number of pipelines that they make, and the button ``Run grid``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.chips = {label: Chips(label=label) for label in PARTS}
        self.run = W.Button(description="Run grid", button_style="primary", tooltip="Evaluate all of them")
        self.text = Text(live=True)
        row = W.Box([self.run, self.text])
        row.add_class("wb-row")
        self.widget = W.VBox([*self.chips.values(), row])
        self.widget.add_class("wb-gridchoice")
        self.start()
        for chips in self.chips.values():
            chips.observe(session.guard(self.count), "chosen")
        self.run.on_click(session.guard(self.search))
        session.observe(session.guard(self.count), ["evaluation", "evaluations", "compared"])
        self.count(None)

    def start(self) -> None:
        """Offer the parts that can run here; those of the current pipeline are chosen."""
        options, pipeline = self.session.bench.options, self.session.pipeline
        available = [name for name in BACKBONES if availability(name, options.weights) != "download"]
        for label, of in PARTS.items():
            value = part(pipeline, of)
            values = [*available, *usable_features(options)] if of == "Backbone" else CHOICES[of]
            self.chips[label].options = list(dict.fromkeys([*values, value]))
            self.chips[label].chosen = [value]

    def chosen(self) -> Grid:
        """The pipelines that the chosen parts make."""
        return grid(*(chips.chosen for chips in self.chips.values()))

    def count(self, _: object) -> None:
        """Show the number of pipelines, the time they may take, and the combinations left out."""
        chosen = self.chosen()
        new = [p for p in chosen.pipelines if p not in queue.evaluated(self.session)]
        text = plural(len(chosen.pipelines), "pipeline")
        if chosen.pipelines and not new:
            text += ", evaluated already"
        elif len(new) < len(chosen.pipelines):
            text += f", {len(chosen.pipelines) - len(new)} of them evaluated already"
        evaluations = [*queue.evaluated(self.session).values(), self.session.evaluation]
        seconds = [e.provenance["seconds"] for e in evaluations if e is not None]
        if new and seconds:
            text += f": about {time_left(statistics.median(seconds) * len(new))}"
            text += ", more if features are not extracted yet"
        lines = [line(text)]
        if chosen.left_out:
            reason = next(iter(chosen.left_out.values()))
            count = len(chosen.left_out)
            lines.append(line(f"{count} invalid combinations left out, such as: {reason}", "note"))
        if not all(chips.chosen for chips in self.chips.values()):
            lines = [line("Choose at least one option in each row.")]
        self.text.lines = lines
        self.run.disabled = not new

    def search(self, _: object) -> None:
        """Evaluate the chosen combinations; then compare the best two of all pipelines."""
        session = self.session
        new = [p for p in self.chosen().pipelines if p not in queue.evaluated(session)]
        with session.lock:
            queue.enter(session, new)
            session.a = session.b = ""
