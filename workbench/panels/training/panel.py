"""The training panel: training on the collection, live and resumable, and the change it makes.

The controls of all states of a training (new, running, stopped, finished) are in one file.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ipywidgets as W

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.steps import is_local
from workbench.features.cards import trained_path
from workbench.figures.training import training
from workbench.learning.attention import train as attention
from workbench.learning.finetuning import train as finetuning
from workbench.learning.history import TrainingHistory
from workbench.learning.registry import (
    TrainingRecord,
    shipped_trainings,
    taken_names,
    trainings,
)
from workbench.learning.trainer import Epoch
from workbench.panels.base import Panel
from workbench.panels.pipeline_choices import part, with_part
from workbench.panels.session import Session
from workbench.panels.training import table as words
from workbench.panels.training.before_after import BeforeAfter
from workbench.panels.training.estimate import change_time, training_time
from workbench.panels.training.settings import TrainingSettings
from workbench.panels.training.table import Live
from workbench.panels.widgets.button import FieldButton
from workbench.panels.widgets.plot import Plot
from workbench.panels.widgets.region import Line, Text, line, region
from workbench.panels.widgets.table import Table

SOURCE = "the Training panel"  # named in the card in place of a command
HINT = "Pick a training to see its epochs and the change it makes, or press Train."
KEYPOINTS = (
    "The pipeline uses keypoints, which have no blocks and no regions to train here: choose another "
    "backbone above. HardNet is trained by: workbench train hardnet"
)


@dataclass(frozen=True, eq=False)
class Request:
    """A training, the backbone it starts from, and its settings. Two requests are never equal."""

    live: Live
    base: str
    settings: Any


class TrainingPanel(Panel[Request, Live]):
    """The settings of a training, the list of trainings, and the epochs and changes of the picked one."""

    lane, phase, delay = "training", "Trained", 0.0
    stops_when_folded = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._request: Request | None = None
        self.live: Live | None = None
        self.picked = ""
        self.trained: dict[str, TrainingRecord] = {}
        self._lock = threading.RLock()
        guard = session.guard
        self.recipe = TrainingSettings(guard(self.changed))
        self.go = FieldButton(description="Train", button_style="primary", fields=[*self.recipe.parts])
        self.note = Text()
        self.list = Table(label="Trained so far", columns=words.LISTED, empty="Nothing is trained yet.")
        self.about = Text(live=True)
        self.use = W.Button(description="Use in the pipeline", tooltip="The pipeline then runs with it")
        self.see = W.Button(description="Show the change")
        self.curves = Plot(label="Loss and held-out measures of each epoch")
        self._history: TrainingHistory | None = None  # the one that is drawn
        self.epochs = Table(label="Epochs")
        self.changes = BeforeAfter(session)
        head, picked = W.Box([*self.recipe.parts, self.go]), W.Box([self.about, self.see, self.use])
        self.course = W.Box([self.curves, self.epochs])
        for box, name in ((head, "recipe"), (picked, "told"), (self.course, "course")):
            box.add_class(f"wb-{name}")
        self.widget = region("Training", head, self.note, self.list, picked, self.course, self.changes.widget)
        self.go.on_click(guard(self.train))
        self.list.on_pick(guard(self.pick))
        self.use.on_click(guard(self.apply))
        self.see.on_click(guard(lambda _: self.pick(self.picked)))
        session.observe(guard(self.changed), ["pipeline", "jobs"])
        self.read()
        self.suggest()
        self.picked = next(iter(self.trained), "")
        self.draw()

    # -- training

    def train(self, _: object) -> None:
        """Start the training of the settings, or go on with it."""
        name, settings, waiting = self.recipe.name.value.strip(), self.recipe.settings, self.waiting()
        trained, path = self.trained.get(name), trained_path(self.session.bench.options.cache, name)
        if path.is_file() and (trained is None or not trained.resumable):
            raise WorkbenchError(f"{str(path)!r} exists already: choose another name to train again")
        base = waiting.base if waiting is not None else Config.parse(self.session.pipeline).backbone
        self._request = Request(Live(name, self.recipe.kind, settings.epochs), base, settings)
        if not self.session.failed:
            self.session.tell("", self.lane)  # clear the message of an earlier cancel
        self.refresh()

    def request(self) -> Request | None:
        return self._request

    def compute(self, request: Request, progress: Progress) -> Live:
        bench, live = self.session.bench, request.live
        with self._lock:
            self.live, self.picked = live, live.name
        self.changes.open(None)
        self.draw()

        def report(epoch: Any) -> None:
            live.figures.append(epoch.as_dict())
            self.read()
            self.draw()

        train = finetuning.finetune if live.kind == "backbone" else attention.train_attention
        source = bench.collection, bench.options
        try:
            train(*source, live.name, request.base, request.settings, progress, report, SOURCE)
        finally:
            with self._lock:
                self.live = None
            self.read()
            self.draw()
        return live

    def render(self, result: Live) -> None:
        with self.session.lock:
            self.session.learned += 1
        if self.picked == result.name:  # else another training was picked meanwhile
            self.pick(result.name)
        if self.recipe.name.value.strip() == result.name:
            self.suggest()

    def waiting(self) -> TrainingRecord | None:
        """The interrupted training of this name, kind, collection and settings."""
        trained, bench = self.trained.get(self.recipe.name.value.strip()), self.session.bench
        if trained is None or not trained.resumable or trained.kind != self.recipe.kind:
            return None
        source = trained.card["collection"], trained.card["seed"]
        same = source == (bench.collection.name, bench.options.seed)
        return trained if same and trained.settings == self.recipe.settings else None

    def suggest(self) -> None:
        """Propose a name that no training has yet."""
        bench = self.session.bench
        self.recipe.suggest(bench.collection.name, taken_names(bench.options.cache))

    # -- trainings

    def read(self) -> None:
        """List the trainings of the cache and of the package."""
        trained = trainings(self.session.bench.options.cache)
        package = {weights.name: weights for weights in shipped_trainings() if weights.name not in trained}
        with self._lock:
            self.trained = {**trained, **package}

    def pick(self, name: str) -> None:
        """A training was picked: show it, take over its settings, and show the change it makes."""
        self.picked = name
        trained = self.trained.get(name)
        if trained is not None and self.live is None:
            self.recipe.fill(trained)
        running = self.live is not None and self.live.name == name
        self.changes.open(trained if trained is not None and trained.usable and not running else None)
        self.draw()

    def apply(self, _: object) -> None:
        """Put the picked training into the session's pipeline."""
        trained = self.trained[self.picked]
        pipeline = with_part(self.session.pipeline, "Backbone", trained.backbone)
        if trained.kind == "attention":
            if part(pipeline, "Regions") == "whole":  # one region alone has no weight relative to others
                pipeline = with_part(pipeline, "Regions", f"rmac:{trained.settings.levels}")  # type: ignore[union-attr]
            pipeline = with_part(pipeline, "Weighting", trained.weighting)
        self.session.pipeline = pipeline

    # -- drawing

    def changed(self, _: object) -> None:
        self.recipe.show()
        self.draw()

    def draw(self) -> None:
        """Show button, list, curves and text for the running and the picked training."""
        with self._lock:
            live, trained = self.live, self.trained.get(self.picked)
            running = live is not None or self.lane in self.session.jobs
            waiting = None if running else self.waiting()
            self.go.description = "Continue" if waiting is not None else "Train"
            self.go.disabled = running or (waiting is None and is_local(self._backbone()))
            self.go.tooltip = (
                "Cancel, beside the progress, stops the training and keeps the last epoch" if running else ""
            )
            self.note.lines = [] if running else self._note(waiting)
            self.list.rows = [
                words.row(weights, live is not None and live.name == weights.name)
                for weights in self.trained.values()
            ]
            self.list.chosen = [self.picked] if self.picked in self.trained else []
            picked = live is not None and live.name == self.picked
            self.about.lines = self._about(trained, picked)
            usable = trained is not None and trained.usable and not picked
            self.use.layout.display = None if usable else "none"
            opened = self.changes.trained is not None and self.changes.trained == trained
            self.see.layout.display = None if usable and not opened else "none"
            if trained is not None:
                images = len(self.session.bench.collection.images)
                self.see.tooltip = (
                    f"Rank the queries before and after it: {change_time(trained.kind, images)}"
                )
            if live is not None and picked:
                epochs = tuple(map(Epoch.of, live.figures))
                name = self.session.bench.collection.name
                self._show(TrainingHistory(live.name, epochs, live.epochs, name))
            elif trained is not None:
                self._show(trained.history)
            self.course.layout.display = None if picked or trained is not None else "none"

    def _show(self, history: TrainingHistory) -> None:
        if history != self._history:  # else it is drawn already: progress of the training changes nothing
            self._history = history
            self.curves.show(training(history))
        with self.epochs.hold_sync():
            self.epochs.columns, self.epochs.rows = words.epochs_table(history)

    def _note(self, waiting: TrainingRecord | None) -> list[Line]:
        """What the button will do."""
        name, bench = self.recipe.name.value.strip(), self.session.bench
        existing = self.trained.get(name)
        if waiting is not None:
            done = max((epoch["number"] for epoch in waiting.card["figures"]), default=0)
            text = f"{name} was stopped after epoch {done}: Continue goes on there with the same settings."
            return [line(text, "note")]
        if existing is not None and existing.resumable:
            text = f"Starts {name} again: the interrupted training of this name has other settings."
            return [line(text, "warning")]
        backbone = words.short(self._backbone())
        if is_local(self._backbone()):
            return [line(KEYPOINTS, "note")]
        if self.recipe.kind == "backbone":
            text = (
                f"The last blocks of {backbone}, the pipeline's backbone, learn to bring images of one label "
                f"of {bench.collection.name} together; the epoch of the best held-out mAP is kept."
            )
        else:
            text = (
                f"Learns weights for the regions of {backbone}'s map, from images of {bench.collection.name} "
                "among clutter; the backbone stays as it is."
            )
        images = len(bench.collection.images)
        with suppress(WorkbenchError):  # Train shows what is wrong with the settings
            takes = training_time(self.recipe.kind, self.recipe.settings, images)
            text += f" {takes.capitalize()} on two cores."
        return [line(text, "note", *words.WORDS[self.recipe.kind])]

    def _backbone(self) -> str:
        return Config.parse(self.session.pipeline).backbone

    def _about(self, trained: TrainingRecord | None, running: bool) -> list[Line]:
        if running:
            return [
                line(f"{self.picked} is being trained: Cancel, beside the progress, keeps its last epoch.")
            ]
        if trained is None:
            return [line(HINT, "note")]
        return [line(words.card(trained), "note")]
