"""The choice of parts for a grid search, which evaluates every combination."""

from __future__ import annotations

import statistics
from typing import Any

import ipywidgets as W

from workbench.analysis.combinations import Combinations, combinations
from workbench.config.errors import WorkbenchError
from workbench.config.steps import POOLINGS, REGIONS, RERANKING_STEPS, WEIGHTINGS, WHITENINGS, Step
from workbench.features.backbones import BACKBONES, BackboneSpec
from workbench.features.vision_language import models_here
from workbench.features.weights import availability, folder
from workbench.panels.comparison import queue
from workbench.panels.comparison.grid_figure import GridFigure
from workbench.panels.formatting import plural, time_left
from workbench.panels.local_backbones import usable_features
from workbench.panels.pipeline_choices import CHOICES, part
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
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
FIELDS = {label: of.lower().replace("-", "") for label, of in PARTS.items()}
TEMPLATE = "/".join(f"{{{name}}}" for name in FIELDS.values())
STEPS = {
    "Poolings": ("pooling", POOLINGS),
    "Region grids": ("regions", REGIONS),
    "Weightings": ("weighting", WEIGHTINGS),
    "Whitenings": ("whitening", WHITENINGS),
    "Re-rankings": ("re-ranking", RERANKING_STEPS),
}


class GridSearchChoice:
    """Options of each part, the number of pipelines that they make, the button ``Run grid``, and a figure."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.chips = {label: Chips(label=label) for label in PARTS}
        self.more = W.Text(
            description="More options", placeholder="gem:1,2,3,5 pcaw:32,64,128", continuous_update=False
        )
        self.run = FieldButton(
            description="Run grid",
            button_style="primary",
            tooltip="Evaluate all of them",
            fields=[self.more],
        )
        self.text = Text(live=True)
        self.figure = GridFigure(session, self.chosen)
        row = W.Box([self.more, self.run, self.text])
        row.add_class("wb-row")
        self.widget = W.VBox([*self.chips.values(), row, self.figure.widget])
        self.widget.add_class("wb-gridchoice")
        self.start()
        for chips in self.chips.values():
            chips.observe(session.guard(self.count), "chosen")
        self.more.observe(session.guard(self.add), "value")
        self.run.on_click(session.guard(self.search))
        session.observe(session.guard(self.count), ["evaluation", "evaluations", "compared"])
        self.count(None)

    def start(self) -> None:
        """Offer the parts that can run here; those of the current pipeline are chosen."""
        options, pipeline = self.session.bench.options, self.session.pipeline
        available = [name for name in BACKBONES if availability(name, options.weights) != "download"]
        available += models_here(folder(options.weights))
        for label, of in PARTS.items():
            value = part(pipeline, of)
            values = [*available, *usable_features(options)] if of == "Backbone" else CHOICES[of]
            self.chips[label].options = list(dict.fromkeys([*values, value]))
            self.chips[label].chosen = [value]

    def add(self, change: Any) -> None:
        """Options were written, such as ``gem:1,2,3``: offer each in the row of its part, and choose it."""
        words = [word for text in change["new"].split() for word in listed(text)]
        options = [row_of(word) for word in words]  # all are valid, or none is added
        for label, option in options:
            chips = self.chips[label]
            chips.options = list(dict.fromkeys([*chips.options, option]))
            chips.chosen = [value for value in chips.options if value in {*chips.chosen, option}]
        self.more.value = ""

    def chosen(self) -> Combinations:
        """The pipelines that the chosen parts make."""
        values = {FIELDS[label]: chips.chosen for label, chips in self.chips.items()}
        if not all(values.values()):
            return Combinations(TEMPLATE, {}, {}, {})
        return combinations(TEMPLATE, values)

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
        lines = [line(text, "text", "grid search")]
        if chosen.left_out:
            reason = next(iter(chosen.left_out.values()))
            lines.append(line(f"{plural(len(chosen.left_out), 'combination')} left out: {reason}", "note"))
        if not chosen.values:
            lines = [line("Choose at least one option in each row.")]
        self.text.lines = lines
        self.run.disabled = not new
        self.figure.refresh()

    def search(self, _: object) -> None:
        """Evaluate the chosen combinations; then compare the best two of all pipelines."""
        session = self.session
        pipelines = self.chosen().pipelines
        new = [p for p in pipelines if p not in queue.evaluated(session)]
        with session.lock:
            queue.end_example(session, [*pipelines])
            queue.enter(session, new)
            session.a = session.b = ""


def listed(word: str) -> list[str]:
    """The options that a word lists: ``gem:1,2`` is ``gem:1`` and ``gem:2``."""
    if word.startswith("file:"):
        return [word]
    start, colon, values = word.rpartition(":")
    return [f"{start}{colon}{value}" for value in values.split(",") if value]


def row_of(option: str) -> tuple[str, str]:
    """The row of an option, and the option as it is written in a pipeline.

    Raises WorkbenchError if no part has this option.
    """
    name = option.partition(":")[0]
    for label, (kind, table) in STEPS.items():
        if name in table:
            return label, "/".join(str(Step.parse(kind, word)) for word in option.split("/"))
    try:
        BackboneSpec.parse(option).card()
    except WorkbenchError:
        names = ", ".join(name for _, table in STEPS.values() for name in table)
        raise WorkbenchError(f"{option!r} is not an option; valid: {names}, or a backbone") from None
    return "Backbones", option
