"""The selects that make a pipeline, each option offered only where it is valid."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.config import Config, Step, WorkbenchError
from workbench.descriptors.regions import rmac
from workbench.features.backbones import BACKBONES, Spec
from workbench.features.weights import availability
from workbench.panels.region import Text, line, region
from workbench.panels.session import Session

NONE = ""  # a part that is left out of the string
CHOICES: dict[str, tuple[str, ...]] = {
    "Pooling": ("max", "mean", "gem:3", "crow", "code"),
    "Regions": ("whole", "rmac:3", "rmac:5", "rmac+:3", "grid:2x2", "grid:3x3"),
    "Weighting": (NONE, "centre", "norm", "attention"),
    "Whitening": (NONE, "pca:64", "pca:256", "pcaw:64", "pcaw:128", "pcaw:256", "lw:256"),
    "Index": (NONE,),
    "Re-ranking": (NONE,),
}
_LEFT_OUT = {"Index": "exact"}
_ORDER = {"embedded": 0, "ready": 1, "download": 2}
_POOLED = {"max": "max", "mean": "mean", "gem": "generalised mean", "crow": "CroW-weighted sum"}
_REDUCED = {"pca": "reduced to", "pcaw": "whitened to", "lw": "whitened from matching pairs to"}


def part(pipeline: str, label: str) -> str:
    """The part of a pipeline that a select shows."""
    config = Config.parse(pipeline)
    return {
        "Backbone": config.backbone,
        "Pooling": str(config.pooling),
        "Regions": str(config.regions),
        "Weighting": "".join(map(str, config.weightings)),
        "Whitening": "".join(map(str, config.whitenings)),
        "Index": NONE,
        "Re-ranking": NONE,
    }[label]


def replaced(pipeline: str, label: str, value: str) -> str:
    """The pipeline with one part replaced, the rest as it was. Raises WorkbenchError where invalid."""
    config = Config.parse(pipeline)
    head = {"Backbone": config.backbone, "Pooling": str(config.pooling), "Regions": str(config.regions)}
    steps = [str(step) for step in config.steps]
    if label in head:
        head[label] = value
    else:
        old = part(pipeline, label)
        # What is new goes to the first place of its kind: behind it, a power law still comes last.
        place = steps.index(old) if old else len(config.weightings)
        steps[place : place + bool(old)] = [value] if value else []
    changed = Config.parse("/".join([*head.values(), *steps]))
    changed.require_available()
    Spec.parse(changed.backbone).module(changed.pooling.name)  # has it a layer for this pooling?
    return str(changed)


def offered(pipeline: str, label: str, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Those of the values that make a valid pipeline, as (text, value)."""
    options = []
    for value in values:
        try:
            replaced(pipeline, label, value)
        except WorkbenchError:
            continue
        options.append((value or _LEFT_OUT.get(label, "none"), value))
    return options


def backbones(weights: Any) -> list[tuple[str, str]]:
    """Backbones as (text, name): embedded ones first, and those not on this disk marked."""
    known = {name: availability(name, weights) for name in BACKBONES}
    names = sorted(known, key=lambda name: _ORDER.get(known[name], len(_ORDER)))
    marks = {"embedded": "", "ready": ""}
    return [(name + marks.get(known[name], f" ({known[name]})"), name) for name in names]


def _regions(step: Step) -> str:
    if step.name.startswith("rmac"):
        # The count on a 4:3 map; other shapes differ a little.
        count = len(rmac(24, 32, int(step.args[0]))) + step.name.endswith("+")
        return f"about {count} regions"
    if step.name == "grid":
        return f"{int(step.args[0] * step.args[1])} regions"
    return "the whole image"


def described(pipeline: str) -> str:
    """A pipeline in one line of plain words."""
    config = Config.parse(pipeline)
    pooled = _POOLED.get(config.pooling.name)
    words = [f"{pooled} over {_regions(config.regions)}" if pooled else "fully connected layer"]
    if Spec.parse(config.backbone).random:
        words.insert(0, "random weights, for tests only")
    if config.scales > 1:
        words.append(f"at {config.scales} scales")
    for step in config.steps:
        if step.name == "centre":
            words.append("the centre counts more")
        elif step.name == "norm":
            words.append("strong cells count more")
        elif step.name in _REDUCED:
            size = int(step.args[0])
            words += [f"{_REDUCED[step.name]} {size} numbers", f"{size * 4 / 1024:.3g} KB an image"]
    return " · ".join(words)


class Configuration:
    """Selects for every part of the pipeline, ``Run``, and the string they make."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._lock = threading.RLock()  # a select is set by callbacks of several threads
        self._showing = False
        self.values = dict(CHOICES)
        self.selects = {label: W.Dropdown(description=label) for label in ("Backbone", *CHOICES)}
        self.run = W.Button(description="Run", button_style="primary", tooltip="Rank and evaluate again")
        self.text = Text()
        row = W.Box([*self.selects.values(), self.run])
        row.add_class("wb-selects")
        self.widget = region("Configuration", row, self.text)
        self.show(None)
        for label, select in self.selects.items():
            select.observe(session.guard(partial(self.change, label)), "value")
        self.run.on_click(session.guard(self.repeat))
        session.observe(session.guard(self.show), ["pipeline", "ranking"])

    def change(self, label: str, change: Any) -> None:
        """A select was changed: so is the pipeline, and the session runs it."""
        with self._lock:
            if self._showing:
                return
        self.session.pipeline = replaced(self.session.pipeline, label, change["new"])

    def repeat(self, _: object) -> None:
        self.session.refresh(again=True)

    def show(self, change: Any) -> None:
        """Bring selects and text in line with the session's pipeline."""
        pipeline = self.session.pipeline
        with self._lock:
            self._showing = True
            try:
                for label, select in self.selects.items():
                    self._show_select(label, select, pipeline, change)
            finally:
                self._showing = False
        self.text.lines = [line(pipeline, "pipeline"), line(described(pipeline), "note")]

    def _show_select(self, label: str, select: W.Dropdown, pipeline: str, change: Any) -> None:
        value = part(pipeline, label)
        if label == "Backbone":
            # Marks change when weights were downloaded, not while the user is choosing.
            marked = change is None or change["name"] == "ranking"
            options = backbones(self.session.bench.options.weights) if marked else list(select.options)
            if value not in [name for _, name in options]:
                options.append((value, value))
        else:
            if value not in self.values[label]:
                self.values[label] += (value,)  # written by hand; it stays, so that one can return to it
            options = offered(pipeline, label, self.values[label])
        if options != list(select.options):
            select.options = options
        if select.value != value:
            select.value = value
        select.disabled = len(options) < 2
