"""What was trained, as tables, curves and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from workbench.learning.finetuning import train as finetuning
from workbench.learning.registry import Kind, Trained
from workbench.panels.results import percent
from workbench.panels.widgets.table import column

Figures = Sequence[dict[str, Any]]  # of each epoch
LISTED = [
    column("name", "Name"),
    column("what", "Trained"),
    column("collection", "On"),
    column("epochs", "Epochs", number=True, hint="trained, and which of them is kept"),
    column("before", "Before", number=True, hint="held-out mAP, percent; of attention there is none"),
    column("after", "After", number=True, hint="held-out mAP of the epoch that is kept, percent"),
]
HELD_OUT = "held-out mAP, percent"


def kept(kind: Kind, figures: Figures) -> int:
    """The number of the best epoch by what was held out; -1 before the first."""
    trained = [one for one in figures if one["number"] > 0]
    if not trained:
        return -1
    best = max(trained, key=lambda one: one["mean_ap"] if kind == "backbone" else -one["validation"])
    return int(best["number"])


def row(one: Trained, running: bool = False) -> dict[str, Any]:
    """A training as a row of the list."""
    figures, best = one.card["figures"], kept(one.kind, one.card["figures"])
    by_number = {figure["number"]: figure for figure in figures}
    done = max(by_number, default=0)
    cells = {
        "name": "shipped with the package" if one.shipped else one.name,
        "what": _what(one),
        "collection": str(one.card.get("collection", "")),
        "epochs": f"{done} of {one.settings.epochs}, {'running' if running else 'stopped'}"
        if one.waits
        else f"{done}, kept {best}",
    }
    order = {"epochs": done}
    if one.kind == "backbone":
        cells |= {
            name: percent(by_number[number]["mean_ap"])
            for name, number in (("before", 0), ("after", best))
            if number in by_number
        }
    return {"id": one.name, "cells": cells, "order": order, "titles": {"name": str(one.path)}}


def _what(one: Trained) -> str:
    settings = one.settings
    if isinstance(settings, finetuning.Settings):
        return f"{settings.blocks} block{'s' * (settings.blocks != 1)} of {short(one.base)}, {settings.loss}"
    return f"attention of {short(one.base)}, by {settings.targets}"


def short(backbone: str) -> str:
    """A backbone's name without its folders."""
    return backbone.rpartition("/")[2].removesuffix(".safetensors")


def card(one: Trained) -> str:
    """What a card says, in a sentence or two."""
    said, settings = one.card, one.settings
    if isinstance(settings, finetuning.Settings):
        words = [
            f"{said['images']:,} images of {said['labels']:,} labels, {said['held_out_images']:,} held out",
            f"through {settings.pooling} over the whole map",
            f"rate {settings.rate:g}",
            *said["notes"],
        ]
    else:
        words = [
            f"{said['photos']:,} photos and {settings.composites:,} composites",
            f"rate {settings.rate:g}",
        ]
    if "size" in said:
        words.append(f"{said['size']} pixels")
    return " · ".join([*words, f"seed {said['seed']}"])


def epochs_table(kind: Kind, figures: Figures) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Columns and rows of the table of epochs."""
    last = ("mean_ap", "Held-out mAP %") if kind == "backbone" else ("validation", "Held-out loss")
    best = kept(kind, figures)
    columns = [column("number", "Epoch", True), column("loss", "Loss", True), column(*last, True)]

    def text(name: str, value: float | None) -> str:
        return "" if value is None else percent(value) if name == "mean_ap" else f"{value:.3f}"

    rows = [
        {
            "id": str(one["number"]),
            "cells": {
                "number": str(one["number"]) if one["number"] else "untrained",
                **{name: text(name, one[name]) for name in ("loss", last[0])},
            },
            "order": {name: one[name] for name in ("number", "loss", last[0]) if one[name] is not None},
            "strong": [last[0]] if one["number"] == best else [],
        }
        for one in figures
    ]
    return columns, rows


def curves(kind: Kind, figures: Figures) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of the losses, and those of the held-out mAP."""

    def drawn(name: str, key: str, scale: float = 1.0) -> dict[str, Any]:
        points = [(one["number"], one[key]) for one in figures if one.get(key) is not None]
        points = [(x, scale * y) for x, y in points if math.isfinite(y)]
        return {"name": name, "x": [x for x, _ in points], "y": [y for _, y in points]}

    losses = [drawn("loss", "loss")]
    if kind == "attention":
        return [*losses, drawn("held-out loss", "validation")], []
    return losses, [drawn(HELD_OUT, "mean_ap", 100)]
