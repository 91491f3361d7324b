"""Trainings as tables, curves and sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.evaluation.measures_text import percent
from workbench.learning.finetuning import train as finetuning
from workbench.learning.history import TrainingHistory
from workbench.learning.registry import TrainingKind, TrainingRecord
from workbench.panels.formatting import plural
from workbench.panels.widgets.table import column

LISTED = [
    column("name", "Name"),
    column("what", "Trained"),
    column("collection", "On"),
    column("epochs", "Epochs", number=True, hint="trained, and the one that is kept"),
    column(
        "before",
        "Before",
        number=True,
        hint="held-out mAP, percent; of attention there is none",
    ),
    column("after", "After", number=True, hint="held-out mAP of the epoch that is kept, percent"),
]


WORDS: dict[TrainingKind, tuple[str, ...]] = {  # explained beside the settings of a training
    "backbone": ("fine-tuning", "held-out mAP"),
    "attention": ("regional attention", "held-out mAP"),
}


@dataclass
class Live:
    """A running training: its name, its highest number of epochs, and the figures of those done."""

    name: str
    kind: TrainingKind
    epochs: int
    figures: list[dict[str, Any]] = field(default_factory=list)


def row(trained: TrainingRecord, running: bool = False) -> dict[str, Any]:
    """A training as a row of the list."""
    figures, best = trained.card["figures"], trained.history.kept
    by_number = {figure["number"]: figure for figure in figures}
    done = max(by_number, default=0)
    cells = {
        "name": "shipped with the package" if trained.shipped else trained.name,
        "what": _what(trained),
        "collection": str(trained.card.get("collection", "")),
        "epochs": f"{done} of {trained.settings.epochs}, {'running' if running else 'stopped'}"
        if trained.resumable
        else f"{done}, kept {best}",
    }
    order = {"epochs": done}
    cells |= {
        name: percent(by_number[number]["mean_ap"])
        for name, number in (("before", 0), ("after", best))
        if "mean_ap" in by_number.get(number, {})
    }
    return {"id": trained.name, "cells": cells, "order": order, "titles": {"name": str(trained.path)}}


def _what(trained: TrainingRecord) -> str:
    settings = trained.settings
    if isinstance(settings, finetuning.FinetuningSettings):
        return f"{plural(settings.blocks, 'block')} of {short(trained.base)}, {settings.loss}"
    return f"attention of {short(trained.base)}, by {settings.targets}"


def short(backbone: str) -> str:
    """A backbone's name without its folders."""
    return backbone.rpartition("/")[2].removesuffix(".safetensors")


def card(trained: TrainingRecord) -> str:
    """The card of a training in a sentence or two."""
    card, settings = trained.card, trained.settings
    if isinstance(settings, finetuning.FinetuningSettings):
        words = [
            f"{card['images']:,} images of {card['labels']:,} labels, {card['held_out_images']:,} held out",
            f"through {settings.pooling} over the whole map",
            f"rate {settings.rate:g}",
            *card["notes"],
        ]
    else:
        words = [
            f"{card['photos']:,} photos and {settings.composites:,} composites",
            f"rate {settings.rate:g}",
        ]
    if "size" in card:
        words.append(f"{card['size']} pixels")
    return " · ".join([*words, f"seed {card['seed']}"])


def epochs_table(history: TrainingHistory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Columns and rows of the table of epochs."""
    figures, best = [epoch.as_dict() for epoch in history], history.kept
    measured = all("mean_ap" in epoch for epoch in figures)
    last = ("mean_ap", "Held-out mAP %") if measured else ("validation", "Held-out loss")
    columns = [column("number", "Epoch", True), column("loss", "Loss", True), column(*last, True)]

    def text(name: str, value: float | None) -> str:
        return "" if value is None else percent(value) if name == "mean_ap" else f"{value:.3f}"

    rows = [
        {
            "id": str(epoch["number"]),
            "cells": {
                "number": str(epoch["number"]) if epoch["number"] else "untrained",
                **{name: text(name, epoch[name]) for name in ("loss", last[0])},
            },
            "order": {name: epoch[name] for name in ("number", "loss", last[0]) if epoch[name] is not None},
            "strong": [last[0]] if epoch["number"] == best else [],
        }
        for epoch in figures
    ]
    return columns, rows
