"""The recipe of a training: what is trained, under which name, with which settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as W

from workbench.learning.attention import train as attention
from workbench.learning.finetuning import losses
from workbench.learning.finetuning import train as finetuning
from workbench.learning.registry import Kind, Trained

WHAT: list[tuple[str, Kind]] = [
    ("Fine-tune the backbone", "backbone"),
    ("Regional attention", "attention"),
]


class Recipe:
    """The controls of a training. Settings that have none stay as they were in what was picked."""

    def __init__(self, changed: Callable[[Any], None]) -> None:
        self._rest: dict[Kind, Any] = {"backbone": finetuning.Settings(), "attention": attention.Settings()}
        first, second = self._rest["backbone"], self._rest["attention"]
        self.what = W.Dropdown(description="What is trained", options=WHAT)
        self.name = W.Text(description="Training name", placeholder="small letters, digits, - and _")
        self.loss = W.Dropdown(description="Loss", options=losses.NAMES, value=first.loss)
        self.blocks = W.BoundedIntText(description="Blocks", value=first.blocks, min=1, max=99)
        self.rate = W.FloatText(description="Rate", value=first.rate)
        self.targets = W.Dropdown(description="Targets", options=["predictions", "labels"])
        self.composites = W.BoundedIntText(
            description="Composites", value=second.composites, min=1, max=100_000
        )
        self.epochs = W.BoundedIntText(description="Epochs", value=first.epochs, min=1, max=999)
        self.loss.tooltip = (
            "triplet and contrastive pull images of a label together, classification tells labels apart"
        )
        self.blocks.tooltip = (
            "How many of the network's last blocks are trained; those before stay as they are"
        )
        self.rate.tooltip = "Of learning, at the beginning; it falls to nought"
        self.targets.tooltip = (
            "predictions: what the network makes of each clean photo, for any photos. "
            "labels: those of the classifier's own classes, in their order"
        )
        self.composites.tooltip = "Photos among clutter, made of the collection's own"
        self.epochs.tooltip = "At most; training ends before where it gets no better"
        self._own: dict[Kind, tuple[W.Widget, ...]] = {
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
    def kind(self) -> Kind:
        return self.what.value

    @property
    def settings(self) -> Any:
        """What is set, as Settings of its kind. Raises WorkbenchError where it cannot be."""
        fields = (*self._own[self.kind], self.epochs)
        return replace(self._rest[self.kind], **{one.description.lower(): one.value for one in fields})

    def fill(self, trained: Trained) -> None:
        """Set everything as it was for that training; its name only where it can go on."""
        settings = trained.settings
        self._rest[trained.kind] = settings
        self.what.value = trained.kind
        for one in (*self._own[trained.kind], self.epochs):
            one.value = getattr(settings, one.description.lower())
        if trained.waits:
            self.name.value = trained.name

    def suggest(self, collection: str, taken: set[str]) -> None:
        """Write a name that is free, after the collection's."""
        start = re.sub(r"[^a-z0-9_]+", "-", collection.lower()).strip("-") or "mine"
        names = (f"{start}-{number}" if number > 1 else start for number in range(1, len(taken) + 2))
        self.name.value = next(name for name in names if name not in taken)

    def show(self) -> None:
        """Only the controls of what is trained."""
        for kind, parts in self._own.items():
            for part in parts:
                part.layout.display = None if kind == self.kind else "none"
