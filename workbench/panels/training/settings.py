"""The settings of a training: the kind, the name and the numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as W

from workbench.learning.attention import train as attention
from workbench.learning.finetuning import losses
from workbench.learning.finetuning import train as finetuning
from workbench.learning.registry import TrainingKind, TrainingRecord

KINDS: list[tuple[str, TrainingKind]] = [
    ("Fine-tune the backbone", "backbone"),
    ("Regional attention", "attention"),
]


class TrainingSettings:
    """The controls of a training. Settings without a control keep the values of the picked training."""

    def __init__(self, changed: Callable[[Any], None]) -> None:
        self._rest: dict[TrainingKind, Any] = {
            "backbone": finetuning.FinetuningSettings(),
            "attention": attention.AttentionSettings(),
        }
        first, second = self._rest["backbone"], self._rest["attention"]
        self.what = W.Dropdown(description="What is trained", options=KINDS)
        self.name = W.Text(description="Training name", placeholder="small letters, digits, - and _")
        self.loss = W.Dropdown(description="Loss", options=losses.NAMES, value=first.loss)
        self.blocks = W.BoundedIntText(description="Blocks", value=first.blocks, min=1, max=99)
        self.rate = W.FloatText(description="Rate", value=first.rate)
        self.targets = W.Dropdown(description="Targets", options=list(attention.TARGETS))
        self.composites = W.BoundedIntText(
            description="Composites", value=second.composites, min=2, max=100_000
        )
        self.epochs = W.BoundedIntText(description="Epochs", value=first.epochs, min=1, max=999)
        self.loss.tooltip = (
            "triplet and contrastive move images of a label together, classification separates the labels"
        )
        self.blocks.tooltip = (
            "Number of the network's last blocks that are trained; earlier blocks stay as they are"
        )
        self.rate.tooltip = "Learning rate at the start; it decreases to zero"
        self.targets.tooltip = (
            "photos: retrieve the photo that a composite shows. "
            "predictions: the network's output for each clean photo. "
            "labels: the classifier's own classes, in their order"
        )
        self.composites.tooltip = "Images among clutter, made of the collection's images"
        self.epochs.tooltip = "At most; training stops earlier if the held-out measure does not improve"
        self._controls: dict[TrainingKind, tuple[W.Widget, ...]] = {
            "backbone": (self.loss, self.blocks, self.rate),
            "attention": (self.targets, self.composites),
        }
        self.parts = (
            *(self.what, self.name, self.loss, self.blocks, self.rate),
            *(self.targets, self.composites, self.epochs),
        )
        self.show()
        for part in self.parts:
            part.observe(changed, "value")

    @property
    def kind(self) -> TrainingKind:
        return self.what.value

    @property
    def settings(self) -> Any:
        """The settings of the kind. Raises WorkbenchError if they are invalid."""
        fields = (*self._controls[self.kind], self.epochs)
        values = {control.description.lower(): control.value for control in fields}
        return replace(self._rest[self.kind], **values)

    def fill(self, trained: TrainingRecord) -> None:
        """Take over the settings of a training, and its name if it can go on."""
        settings = trained.settings
        self._rest[trained.kind] = settings
        self.what.value = trained.kind
        for control in (*self._controls[trained.kind], self.epochs):
            control.value = getattr(settings, control.description.lower())
        if trained.resumable:
            self.name.value = trained.name

    def suggest(self, collection: str, taken: set[str]) -> None:
        """Propose a name that is not taken, starting with the collection's."""
        start = re.sub(r"[^a-z0-9_]+", "-", collection.lower()).strip("-") or "mine"
        names = (f"{start}-{number}" if number > 1 else start for number in range(1, len(taken) + 2))
        self.name.value = next(name for name in names if name not in taken)

    def show(self) -> None:
        """Show only the controls of the kind."""
        for kind, parts in self._controls.items():
            for part in parts:
                part.layout.display = None if kind == self.kind else "none"
