"""What was trained with a cache, finished or half-way: names, cards, and the pipelines they make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from workbench.config import WorkbenchError
from workbench.descriptors.attention import SHIPPED, learned
from workbench.features.backbones import BACKBONES, Spec
from workbench.learning import descent
from workbench.learning.attention import train as attention

Kind = Literal["backbone", "attention"]


@dataclass(frozen=True)
class Trained:
    """A training: its file (which may not be there yet), its card, and whether a checkpoint ``waits``.

    The card is what the file says of itself, or where a training waits what its checkpoint says: data,
    settings, ``seed`` and the ``figures`` of each epoch. ``shipped``: it came with the package.
    """

    name: str
    kind: Kind
    path: Path
    card: dict[str, Any]
    waits: bool = False
    shipped: bool = False

    @property
    def usable(self) -> bool:
        """Whether a pipeline can name it."""
        return self.path.is_file()

    @property
    def settings(self) -> descent.Settings | attention.Settings:
        """What it was trained with."""
        made: Any = descent.Settings if self.kind == "backbone" else attention.Settings
        return made(**{one.name: self.card[one.name] for one in fields(made) if one.name in self.card})

    @property
    def base(self) -> str:
        """The backbone that it was trained from, or on."""
        if self.kind == "backbone":
            return str(self.card["base"])
        network = str(self.card["network"])  # of a card that is older than its ``backbone``
        named = next((name for name, one in BACKBONES.items() if one.model == network), f"timm:{network}")
        return str(self.card.get("backbone", named))

    @property
    def backbone(self) -> str:
        """The backbone of a pipeline that uses it."""
        if self.kind == "attention":
            return self.base
        layer = Spec.parse(self.base).layer
        return f"file:{self.path}" + (f"@{layer}" if layer else "")

    @property
    def weighting(self) -> str:
        """The step of an attention."""
        return "attention" if self.shipped else f"attention:{self.name}"

    @property
    def pipelines(self) -> tuple[str, str]:
        """The description that it was trained through, before and after."""
        settings = self.settings
        if isinstance(settings, descent.Settings):
            return tuple(f"{one}/{settings.pooling}/whole" for one in (self.base, self.backbone))  # type: ignore[return-value]
        before = f"{self.base}/max/rmac:{settings.levels}"
        return before, f"{before}/{self.weighting}"


def shelf(cache: Path) -> dict[str, Trained]:
    """All that was trained, by name, the newest first; what is no training or is damaged is left out."""
    folder = learned(cache.absolute(), "x").parent
    found = {path.stem: path for path in folder.glob("*.safetensors")}
    waiting = {path.parent.stem: path for path in folder.glob("*.training/checkpoint.safetensors")}
    made = {name: _finished(name, path) for name, path in found.items()}
    made |= {name: _waiting(name, path) or made.get(name) for name, path in waiting.items()}

    def changed(one: Trained) -> float:
        place = waiting[one.name] if one.waits else one.path
        return place.stat().st_mtime if place.is_file() else 0.0

    there = [one for one in made.values() if one is not None]
    return {one.name: one for one in sorted(there, key=changed, reverse=True)}


def names(cache: Path) -> set[str]:
    """The names that are taken, by trainings and by whatever else lies beside them, such as whitenings."""
    folder = learned(cache, "x").parent
    return {path.stem for ending in ("safetensors", "training") for path in folder.glob(f"*.{ending}")}


def shipped() -> Iterator[Trained]:
    """What comes trained with the package."""
    for path in sorted(SHIPPED.glob("*.safetensors")):
        one = _finished(path.stem, path)
        if one is not None:
            yield Trained(one.name, one.kind, path, one.card, shipped=True)


def _finished(name: str, path: Path) -> Trained | None:
    said = _metadata(path)
    kind: Kind = "backbone" if "backbone" in said else "attention"
    card = said.get("card" if kind == "backbone" else "attention")
    return _sound(Trained(name, kind, path, card)) if isinstance(card, dict) else None


def _waiting(name: str, path: Path) -> Trained | None:
    said, file = _metadata(path), path.parent.with_suffix(".safetensors")
    try:
        if "said" in said:
            card = {**said["said"]["plan"], **_figures(said["said"])}
            return _sound(Trained(name, "backbone", file, card, True))
        plan = said["plan"]
        card = {**plan, **plan["about"], **_figures(said)}
        return _sound(Trained(name, "attention", file, card, True))
    except (KeyError, TypeError):
        return None


def _sound(one: Trained) -> Trained | None:
    """The training if its card says what is asked of it, else None."""
    measure = "mean_ap" if one.kind == "backbone" else "validation"
    try:
        numbers = [int(figure["number"]) + float(figure[measure]) for figure in one.card["figures"]]
        return one if numbers and all(one.pipelines) and one.card["seed"] is not None else None
    except (WorkbenchError, KeyError, TypeError, ValueError):
        return None


def _figures(said: dict[str, Any]) -> dict[str, Any]:
    return {"figures": list(said["epochs"])}


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file, taken for JSON where they are; nothing where it is damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return {}
    said: dict[str, Any] = {}
    for key, text in metadata.items():
        try:
            said[key] = json.loads(text)
        except ValueError:
            said[key] = text
    return said
