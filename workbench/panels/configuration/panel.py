"""The configuration panel: selects and sliders for the parts of the pipeline, its string, favourites."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.config.errors import WorkbenchError
from workbench.panels.configuration.presets import Favourites
from workbench.panels.configuration.suggestion import SuggestionView
from workbench.panels.glossary import GLOSSARY
from workbench.panels.pipeline_choices import (
    CHOICES,
    backbones,
    canonical,
    layers,
    part,
    valid_choices,
    with_part,
)
from workbench.panels.pipeline_numbers import numbers, with_number
from workbench.panels.pipeline_summary import description_of
from workbench.panels.session import Session
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.help import Help
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.sliders import Numbers

LABELS = ("Backbone", "Layer", *CHOICES)
RARE = ("Layer", "Power", "Scales")  # parts shown by More


class Configuration:
    """The parts of the pipeline, each with its valid options, and the pipeline as a string."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.RLock()  # callbacks of several threads set the selects
        self._showing = False
        self.selects = {label: W.Dropdown(description=label) for label in LABELS}
        self.numbers = {label: Numbers() for label in LABELS}
        self.pipeline = W.Text(description="Pipeline", continuous_update=False)
        written = [*self.selects.values(), self.pipeline]
        self.run = FieldButton(
            description="Run", button_style="primary", tooltip="Rank and evaluate again", fields=written
        )
        self.add = FieldButton(
            description="Add to comparison", tooltip="Compare this pipeline with others", fields=written
        )
        self.slots = {slot: self._slot(slot) for slot in "AB"}
        self.suggestion = SuggestionView(session)
        self.text = Text()
        default = session.bench.engine.default
        whitening = part(default.alternative, "Whitening") or "no whitening"
        other = W.Button(description=f"Use {whitening}", tooltip=f"The alternative: {default.alternative}")
        other.on_click(session.guard(self.use_alternative))
        reason = f"Default for {session.bench.collection.name}: {default.reason}"
        self.default = _row("default", Text(lines=[line(reason, "note")]), other)
        self.error = Text(live=True)
        self.more = W.ToggleButton(
            description="More", tooltip="Layer, power law, scales, pipelines A and B, favourites"
        )
        fields = {label: self._field(label) for label in LABELS}
        rare = [fields.pop(label) for label in RARE]
        slots = _row("slots", *self.slots["A"], *self.slots["B"])
        self.rare = _row("more", *rare, slots, *Favourites(session).parts)
        self.widget = region(
            "Configuration",
            _row("selects", *fields.values(), self.more, self.run),
            self.rare,
            _row("string", self.pipeline, self.text, self.add, self.suggestion.ask),
            self.error,
            self.default,
            self.suggestion.widget,
        )
        self.more.observe(session.guard(self.unfold), "value")
        self.unfold(None)
        self.show(None)
        for label in LABELS:
            self.selects[label].observe(session.guard(partial(self.change, label)), "value")
            self.numbers[label].on_change(self._turned(label))
        self.pipeline.observe(session.guard(self.write), "value")
        self.run.on_click(session.guard(self.repeat))
        self.add.on_click(session.guard(self.compare))
        session.observe(session.guard(self.show), ["pipeline", "ranking", "learned"])
        session.observe(session.guard(self.show_slots), ["pipeline", "a", "b"])

    def _field(self, label: str) -> W.VBox:
        """A select with its sliders, and what the part of a pipeline is."""
        explained = [Help(label.lower())] if label.lower() in GLOSSARY else []
        field = W.VBox([self.selects[label], self.numbers[label], *explained])
        field.add_class("wb-explained-field")
        return field

    def _slot(self, slot: str) -> tuple[FieldButton, W.Button]:
        """The buttons that fill a slot and that use its pipeline."""
        fill = FieldButton(
            description=f"Set {slot}",
            tooltip=f"Keep this pipeline as {slot}",
            fields=[*self.selects.values(), self.pipeline],
        )
        use = W.Button(description=f"Use {slot}")
        fill.on_click(self.session.guard(lambda _: self.fill(slot)))
        use.on_click(self.session.guard(lambda _: self.use(slot)))
        return fill, use

    def _turned(self, label: str) -> Any:
        def turned(position: int, at: int) -> None:
            self.session.guard(lambda _: self.turn(label, position, at))(None)

        return turned

    def unfold(self, _: object) -> None:
        """Show or hide the parts that are chosen rarely."""
        self.rare.layout.display = None if self.more.value else "none"

    def change(self, label: str, change: Any) -> None:
        """A select was changed: change the pipeline, which the session then runs."""
        with self._lock:
            if self._showing:
                return
        self.session.pipeline = with_part(self.session.pipeline, label, change["new"])

    def turn(self, label: str, position: int, at: int) -> None:
        """A slider was moved: set the number at that position to its ``at``-th value."""
        pipeline = self.session.pipeline
        value = numbers(pipeline, label)[position][1][at]
        self.session.pipeline = with_number(pipeline, label, position, value)

    def write(self, change: Any) -> None:
        """The string was edited: apply it, or show its error."""
        with self._lock:
            if self._showing:
                return
        try:
            pipeline = canonical(change["new"])
        except WorkbenchError as error:
            self.error.lines = [line(str(error), "error")]
            return
        self.session.pipeline = pipeline
        self.show(None)  # the canonical form, if the pipeline did not change

    def repeat(self, _: object) -> None:
        self.session.refresh(again=True)

    def compare(self, _: object) -> None:
        self.session.compare(self.session.pipeline)

    def fill(self, slot: str) -> None:
        """Keep the pipeline in a slot, and add it to the comparison."""
        self.compare(None)
        setattr(self.session, slot.lower(), self.session.pipeline)

    def use(self, slot: str) -> None:
        self.session.pipeline = getattr(self.session, slot.lower())

    def use_alternative(self, _: object) -> None:
        self.session.pipeline = self.session.bench.engine.default.alternative

    def show(self, change: Any) -> None:
        """Show the session's pipeline in selects, sliders and texts."""
        pipeline = self.session.pipeline
        with self._lock:
            self._showing = True
            try:
                for label in LABELS:
                    self._show_select(label, pipeline, change)
                    self._show_numbers(label, pipeline)
                if change is None or change["name"] == "pipeline":  # keeps a string that is being edited
                    self.pipeline.value = self.pipeline.tooltip = pipeline
                    self.error.lines = []
            finally:
                self._showing = False
        self.text.lines = [line(description_of(pipeline), "note")]
        self.default.layout.display = "" if pipeline == self.session.bench.default_pipeline else "none"
        self.show_slots(None)

    def show_slots(self, _: object) -> None:
        """Show which slots are filled, and which of them is the current pipeline."""
        for slot, (_fill, use) in self.slots.items():
            pipeline = getattr(self.session, slot.lower())
            use.disabled = not pipeline
            use.tooltip = f"Go back to {pipeline}" if pipeline else f"{slot} is empty: Set {slot} fills it"
            use.button_style = "info" if pipeline and pipeline == self.session.pipeline else ""

    def _show_select(self, label: str, pipeline: str, change: Any) -> None:
        select, value = self.selects[label], part(pipeline, label)
        refused: dict[str, str] = {}
        if label == "Backbone":
            # They change after weights were downloaded or trained, not while the user is choosing.
            read = change is None or change["name"] != "pipeline"
            options = backbones(self.session.bench.options) if read else list(select.options)
            if value not in [name for _, name in options]:
                options.append((value, value))
        else:
            values = layers(pipeline) if label == "Layer" else list(CHOICES[label])
            if value not in values:
                values.append(value)  # written by hand, or set by a slider
            options, refused = valid_choices(pipeline, label, values)
        if options != list(select.options):
            select.options = options
        if select.value != value:
            select.value = value
        select.disabled = len(options) < 2
        select.tooltip = "\n".join(["Not offered now:", *refused.values()]) if refused else label
        if label == "Backbone":
            select.tooltip = f"{select.label or value}\n↓: the weights are downloaded at first use"

    def _show_numbers(self, label: str, pipeline: str) -> None:
        self.numbers[label].sliders = [
            {
                "label": f"{label}: {name}",
                "name": name,
                "values": [f"{value:g}" for value in values],
                "at": values.index(at),
            }
            for name, values, at in numbers(pipeline, label)
        ]


def _row(name: str, *children: W.Widget) -> W.Box:
    row = W.Box(children)
    row.add_class(f"wb-{name}")
    return row
