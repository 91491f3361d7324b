"""The trainings of a cache, finished or interrupted: names, cards, and the pipelines that use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from workbench.common.damage import DAMAGE
from workbench.config.errors import WorkbenchError
from workbench.features.backbones import BACKBONES, BackboneSpec
from workbench.features.cards import SHIPPED_WEIGHTS, trained_path
from workbench.learning.attention.train import AttentionSettings
from workbench.learning.checkpoints import read_header
from workbench.learning.finetuning.train import FinetuningSettings
from workbench.learning.history import TrainingHistory
from workbench.learning.trainer import Epoch
from workbench.learning.weight_metadata import weight_metadata

TrainingKind = Literal["backbone", "attention"]


@dataclass(frozen=True)
class TrainingRecord:
    """A training: its ``path`` (which may not exist yet), its card, and whether it is ``resumable``.

    The card is that of the finished file, or of the checkpoint if there is one: data, settings, ``seed`` and
    the ``figures`` of each epoch. ``shipped``: it is part of the package.
    """

    name: str
    kind: TrainingKind
    path: Path
    card: dict[str, Any]
    resumable: bool = False
    shipped: bool = False

    @property
    def usable(self) -> bool:
        """Whether a pipeline can use it, because its file exists."""
        return self.path.is_file()

    @property
    def history(self) -> TrainingHistory:
        """Its epochs."""
        epochs = tuple(map(Epoch.of, self.card["figures"]))
        collection = str(self.card.get("collection", ""))
        return TrainingHistory(self.name, epochs, self.settings.epochs, collection, self.base)

    @property
    def settings(self) -> FinetuningSettings | AttentionSettings:
        """The settings of the training."""
        cls: Any = FinetuningSettings if self.kind == "backbone" else AttentionSettings
        return cls(**{field.name: self.card[field.name] for field in fields(cls) if field.name in self.card})

    @property
    def base(self) -> str:
        """The backbone that was fine-tuned, or whose map the attention weights."""
        if self.kind == "backbone":
            return str(self.card["base"])
        network = str(self.card["network"])  # for cards that are older than the entry ``backbone``
        named = next((name for name, card in BACKBONES.items() if card.model == network), f"timm:{network}")
        return str(self.card.get("backbone", named))

    @property
    def backbone(self) -> str:
        """The backbone of a pipeline that uses the training."""
        if self.kind == "attention":
            return self.base
        layer = BackboneSpec.parse(self.base).layer
        return f"file:{self.path}" + (f"@{layer}" if layer else "")

    @property
    def weighting(self) -> str:
        """The weighting step of an attention."""
        return "attention" if self.shipped else f"attention:{self.name}"

    @property
    def pipelines(self) -> tuple[str, str]:
        """The pipelines of the trained description, before and after training."""
        settings = self.settings
        if isinstance(settings, FinetuningSettings):
            return f"{self.base}/{settings.pooling}/whole", f"{self.backbone}/{settings.pooling}/whole"
        before = f"{self.base}/max/rmac:{settings.levels}"
        return before, f"{before}/{self.weighting}"


def trainings(cache: Path) -> dict[str, TrainingRecord]:
    """All trainings of a cache by name, the newest first; damaged and other files are left out."""
    folder = trained_path(cache.absolute(), "x").parent
    files = {path.stem: path for path in folder.glob("*.safetensors")}
    checkpoints = {path.parent.stem: path for path in folder.glob("*.training/checkpoint.safetensors")}
    by_name = {name: _read_file(name, path) for name, path in files.items()}
    by_name |= {name: _read_checkpoint(name, path) or by_name.get(name) for name, path in checkpoints.items()}

    def modified(training: TrainingRecord) -> float:
        path = checkpoints[training.name] if training.resumable else training.path
        return path.stat().st_mtime if path.is_file() else 0.0

    valid = [training for training in by_name.values() if training is not None]
    return {training.name: training for training in sorted(valid, key=modified, reverse=True)}


def taken_names(cache: Path) -> set[str]:
    """The names in use, by trainings and by other files of the same folder, such as whitenings.

    A training that ended before its first epoch leaves its name free: the next one of this name uses the
    pictures that were prepared for it.
    """
    folder = trained_path(cache, "x").parent
    checkpoints = folder.glob("*.training/checkpoint.safetensors")
    return {path.stem for path in folder.glob("*.safetensors")} | {path.parent.stem for path in checkpoints}


def shipped_trainings() -> Iterator[TrainingRecord]:
    """The trainings that are part of the package."""
    for path in sorted(SHIPPED_WEIGHTS.glob("*.safetensors")):
        training = _read_file(path.stem, path)
        if training is not None:
            yield TrainingRecord(training.name, training.kind, path, training.card, shipped=True)


def _read_file(name: str, path: Path) -> TrainingRecord | None:
    metadata = weight_metadata(path)
    kind: TrainingKind = "backbone" if "backbone" in metadata else "attention"
    card = metadata.get("card" if kind == "backbone" else "attention")
    return _valid(TrainingRecord(name, kind, path, card)) if isinstance(card, dict) else None


def _read_checkpoint(name: str, path: Path) -> TrainingRecord | None:
    header = read_header(path)
    if header is None:
        return None
    card = {**header["plan"], "figures": header["epochs"]}
    kind: TrainingKind = "backbone" if "base" in card else "attention"
    return _valid(TrainingRecord(name, kind, path.parent.with_suffix(".safetensors"), card, resumable=True))


def _valid(training: TrainingRecord) -> TrainingRecord | None:
    """The training if its card has the entries that are needed, else None."""
    measure = "mean_ap" if training.kind == "backbone" else "validation"
    try:
        numbers = [int(figure["number"]) + float(figure[measure]) for figure in training.card["figures"]]
        complete = numbers and all(training.pipelines) and training.card["seed"] is not None
        return training if complete else None
    except (WorkbenchError, *DAMAGE):
        return None
