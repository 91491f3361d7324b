"""Training on the collection: live, stopped and gone on with, and what it changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ipywidgets as W

from workbench.config import Config, WorkbenchError, is_local
from workbench.descriptors.attention import learned
from workbench.learning.attention import train as attention
from workbench.learning.finetuning import train as finetuning
from workbench.learning.registry import Kind, Trained, names, shelf, shipped
from workbench.panels import trained as words
from workbench.panels.before_after import BeforeAfter
from workbench.panels.pipelines import part, replaced
from workbench.panels.recipe import Recipe
from workbench.panels.session import Session
from workbench.panels.widgets.curve import Curve
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress

LANE = "training"
SOURCE = "the Training panel"  # what a card says of how it was made
HINT = "Pick a training to see how it went and what it changes, or press Train."
KEYPOINTS = (
    "The pipeline now is of keypoints, which have no blocks and no regions to train here: choose another "
    "backbone above. HardNet is trained by: workbench train hardnet"
)
BEGUN = "The first epoch comes here once the images are prepared."


@dataclass
class Live:
    """A training that runs: its name, how many epochs it may have, and those that are done."""

    name: str
    kind: Kind
    epochs: int
    figures: list[dict[str, Any]] = field(default_factory=list)


class TrainingPanel:
    """A recipe to train by, what is trained so far, and of the picked one its epochs, before and after."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.live: Live | None = None
        self.picked = ""
        self.trained: dict[str, Trained] = {}
        self._lock = threading.RLock()
        guard = session.guard
        self.recipe = Recipe(guard(self.changed))
        self.go = W.Button(description="Train", button_style="primary")
        self.note = Text()
        self.list = Table(label="Trained so far", columns=words.LISTED, empty="Nothing is trained yet.")
        self.about = Text(live=True)
        self.use = W.Button(description="Use in the pipeline", tooltip="The pipeline then runs with it")
        self.loss = Curve(label="Loss of each epoch", y="loss", digits=3, empty=BEGUN)
        self.measure = Curve(label="Held-out mAP of each epoch", y=words.HELD_OUT, digits=1)
        self.epochs = Table(label="Epochs")
        self.changes = BeforeAfter(session)
        asking, told = W.Box([*self.recipe.parts, self.go]), W.Box([self.about, self.use])
        self.course = W.Box([self.loss, self.measure, self.epochs])
        for box, name in ((asking, "recipe"), (told, "told"), (self.course, "course")):
            box.add_class(f"wb-{name}")
        self.widget = region("Training", asking, self.note, self.list, told, self.course, self.changes.widget)
        self.go.on_click(guard(self.train))
        self.list.on_pick(guard(self.pick))
        self.use.on_click(guard(self.apply))
        session.observe(guard(self.changed), ["pipeline", "jobs"])
        self.read()
        self.suggest()
        self.draw()

    # -- training

    def train(self, _: object) -> None:
        """Begin what the recipe says, or go on with it."""
        name, settings, waiting = self.recipe.name.value.strip(), self.recipe.settings, self.waiting()
        one, place = self.trained.get(name), learned(self.session.bench.options.cache, name)
        if place.is_file() and (one is None or not one.waits):
            raise WorkbenchError(f"{str(place)!r} is there already: choose another name to train anew")
        base = waiting.base if waiting is not None else Config.parse(self.session.pipeline).backbone
        live = Live(name, self.recipe.kind, settings.epochs)
        if not self.session.failed:
            self.session.tell("", LANE)  # as that something was cancelled
        self.session.run(LANE, partial(self._train, live, base, settings))

    def waiting(self) -> Trained | None:
        """The training that Continue would go on with: of this name, kind, collection and settings."""
        one, bench = self.trained.get(self.recipe.name.value.strip()), self.session.bench
        if one is None or not one.waits or one.kind != self.recipe.kind:
            return None
        here = one.card["collection"], one.card["seed"]
        same = here == (bench.collection.name, bench.options.seed) and one.settings == self.recipe.settings
        return one if same else None

    def _train(self, live: Live, base: str, settings: Any, progress: Progress) -> None:
        bench = self.session.bench
        given = bench.collection, bench.options, live.name, base, settings, progress
        with self._lock:
            self.live, self.picked = live, live.name
        self.changes.open(None)
        self.draw()

        def report(epoch: Any) -> None:
            live.figures.append(epoch.as_dict())
            self.read()
            self.draw()

        try:
            if live.kind == "backbone":
                finetuning.finetune(*given, report, SOURCE)
            else:
                attention.train(*given, report, SOURCE)
            progress("Trained", 1, 1)
        finally:
            with self._lock:
                self.live = None
            self.read()
            self.draw()
        with self.session.lock:
            self.session.learned += 1
        if self.picked == live.name:  # else another is looked at meanwhile
            self.pick(live.name)
        if self.recipe.name.value.strip() == live.name:
            self.suggest()

    def suggest(self) -> None:
        """Write a name that is free."""
        bench = self.session.bench
        self.recipe.suggest(bench.collection.name, names(bench.options.cache))

    # -- what is trained

    def read(self) -> None:
        """See what lies in the cache, and what came with the package."""
        found = shelf(self.session.bench.options.cache)
        with self._lock:
            self.trained = {**found, **{one.name: one for one in shipped() if one.name not in found}}

    def pick(self, name: str) -> None:
        """A training was picked: tell of it, take its settings, and show what it changes."""
        self.picked = name
        one = self.trained.get(name)
        if one is not None and self.live is None:
            self.recipe.fill(one)
        self.draw()
        running = self.live is not None and self.live.name == name
        self.changes.open(one if one is not None and one.usable and not running else None)

    def apply(self, _: object) -> None:
        """Put the picked one into the session's pipeline."""
        one = self.trained[self.picked]
        pipeline = replaced(self.session.pipeline, "Backbone", one.backbone)
        if one.kind == "attention":
            if part(pipeline, "Regions") == "whole":  # one region has nothing to be weighed against
                pipeline = replaced(pipeline, "Regions", f"rmac:{one.settings.levels}")  # type: ignore[union-attr]
            pipeline = replaced(pipeline, "Weighting", one.weighting)
        self.session.pipeline = pipeline

    # -- showing

    def changed(self, _: object) -> None:
        self.recipe.show()
        self.draw()

    def draw(self) -> None:
        """Bring button, list, curves and words in line with what runs and what is picked."""
        with self._lock:
            live, one = self.live, self.trained.get(self.picked)
            running = live is not None or LANE in self.session.jobs
            waiting = None if running else self.waiting()
            self.go.description = "Continue" if waiting is not None else "Train"
            self.go.disabled = running or (waiting is None and is_local(self._backbone()))
            self.go.tooltip = "Cancel, below, stops what runs and keeps the last epoch" if running else ""
            self.note.lines = [] if running else self._note(waiting)
            self.list.rows = [
                words.row(each, live is not None and live.name == each.name) for each in self.trained.values()
            ]
            self.list.chosen = [self.picked] if self.picked in self.trained else []
            here = live is not None and live.name == self.picked
            self.about.lines = self._about(one, here)
            self.use.layout.display = None if one is not None and one.usable and not here else "none"
            if live is not None and here:
                self._show(live.kind, live.figures, live.epochs)
            elif one is not None:
                self._show(one.kind, one.card["figures"], one.settings.epochs)
            self.course.layout.display = None if here or one is not None else "none"

    def _show(self, kind: Kind, figures: words.Figures, last: int) -> None:
        losses, measured = words.curves(kind, figures)
        best = words.kept(kind, figures)
        for curve, lines in ((self.loss, losses), (self.measure, measured)):
            with curve.hold_sync():
                curve.last, curve.kept, curve.lines = last, best, lines
        self.measure.layout.display = None if kind == "backbone" else "none"
        with self.epochs.hold_sync():
            self.epochs.columns, self.epochs.rows = words.epochs_table(kind, figures)

    def _note(self, waiting: Trained | None) -> list[Line]:
        """What the button would do."""
        name, bench = self.recipe.name.value.strip(), self.session.bench
        there = self.trained.get(name)
        if waiting is not None:
            done = max((one["number"] for one in waiting.card["figures"]), default=0)
            return [
                line(
                    f"{name} was stopped after epoch {done}: Continue goes on there, as it was begun.", "note"
                )
            ]
        if there is not None and there.waits:
            return [line(f"Begins {name} anew: what waits under this name was begun otherwise.", "warning")]
        backbone = words.short(self._backbone())
        if is_local(self._backbone()):
            return [line(KEYPOINTS, "note")]
        if self.recipe.kind == "backbone":
            said = (
                f"The last blocks of {backbone}, the pipeline's backbone, learn to bring images of one label "
                f"of {bench.collection.name} together; the epoch of the best held-out mAP is kept."
            )
        else:
            said = (
                f"Learns which regions of {backbone}'s map count, from photos of {bench.collection.name} set "
                "among clutter; the backbone stays as it is."
            )
        return [line(said, "note")]

    def _backbone(self) -> str:
        return Config.parse(self.session.pipeline).backbone

    def _about(self, one: Trained | None, running: bool) -> list[Line]:
        if running:
            return [line(f"{self.picked} is being trained: Cancel, below, keeps its last epoch.")]
        if one is None:
            return [line(HINT, "note")]
        return [line(words.card(one), "note")]
