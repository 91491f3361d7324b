"""The epochs of a training as a result, read from its card or its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench.common.damage import DAMAGE
from workbench.common.drawable import Drawable, draw
from workbench.config.errors import WorkbenchError
from workbench.features.cards import SHIPPED_WEIGHTS, trained_path
from workbench.learning.checkpoints import read_header
from workbench.learning.measures import measure
from workbench.learning.trainer import Epoch
from workbench.learning.weight_metadata import weight_metadata

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_CARDS = ("card", "attention", "proposals", "whitening")  # entries of a file's metadata that hold the card


@dataclass(frozen=True, repr=False)
class TrainingHistory(Drawable, Sequence[Epoch]):
    """The epochs of a training by name, in order; number 0 is the untrained model.

    ``planned`` is the largest number of epochs, ``collection`` the data that was learned from, and ``base``
    the backbone that it started from or uses, empty without one.
    """

    name: str
    epochs: tuple[Epoch, ...]
    planned: int = 0
    collection: str = ""
    base: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.epochs)

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Epoch, ...]: ...
    def __getitem__(self, index: int | slice) -> Epoch | tuple[Epoch, ...]:
        return self.epochs[index]

    def __repr__(self) -> str:
        trained = sum(epoch.number > 0 for epoch in self.epochs)
        kept = next((f", kept {epoch}" for epoch in self.epochs if epoch.number == self.kept), "")
        return f"TrainingHistory({self.name!r}: {trained} epochs{kept})"

    @property
    def kept(self) -> int:
        """The number of the epoch whose weights are kept; -1 before the first is trained."""
        return kept_epoch([epoch.as_dict() for epoch in self.epochs])

    def figure(self) -> Figure:
        """Loss and held-out measures over the epochs, with the kept epoch marked."""
        return draw("training", self)


def kept_epoch(figures: Sequence[Mapping[str, Any]]) -> int:
    """The number of the epoch that a training keeps, by the figures of its epochs; -1 before the first.

    It is the first with the highest held-out mAP, or else with the lowest held-out loss, which attention of
    earlier versions has; trainings that measure neither keep their last epoch.
    """
    trained = [epoch for epoch in figures if epoch["number"] > 0]
    if not trained:
        return -1
    if all("mean_ap" in epoch for epoch in trained):
        return int(max(trained, key=lambda epoch: epoch["mean_ap"])["number"])
    if all("validation" in epoch for epoch in trained):
        return int(min(trained, key=lambda epoch: epoch["validation"])["number"])
    return int(trained[-1]["number"])


def training_history(cache: Path, name: str) -> TrainingHistory:
    """The epochs of a training of a cache, finished or interrupted, or of weights that ship with the package.

    Raises WorkbenchError if there is no training of that name.
    """
    folders = trained_path(cache.absolute(), "x").parent, SHIPPED_WEIGHTS
    if "/" not in name and "\\" not in name:
        header = read_header(folders[0] / f"{name}.training" / "checkpoint.safetensors")
        cards = [{**header["plan"], "figures": header["epochs"]}] if header is not None else []
        cards += [_card(folder / f"{name}.safetensors") for folder in folders]
        for card in cards:
            history = _history(name, card)
            if history is not None:
                return history
    known = sorted({path.stem for folder in folders for path in folder.glob("*.safetensors")})
    raise WorkbenchError(f"no training has the name {name!r}; there are {', '.join(known)}")


def _history(name: str, card: Any) -> TrainingHistory | None:
    """The history that a card describes; None if it is the card of something else."""
    try:
        epochs = tuple(Epoch.of(values) for values in card["figures"])
        numbers = [int(epoch.number) for epoch in epochs]
        planned = int(card.get("epochs") or max(numbers, default=0))
        base = str(card.get("base") or card.get("backbone") or "")
        return TrainingHistory(name, epochs, planned, str(card.get("collection", "")), base)
    except DAMAGE:
        return None


def _card(path: Path) -> Any:
    """The card in a weight file's metadata; None if the file is missing, damaged or something else."""
    metadata = weight_metadata(path)
    return next((metadata[entry] for entry in _CARDS if entry in metadata), None)


def values_of(history: TrainingHistory, name: str) -> list[tuple[int, float]]:
    """Number and value of each epoch that has a measure (or the ``loss``); percent where it is a fraction."""
    scale = 100.0 if measure(name).percent else 1.0
    pairs = [(epoch.number, epoch.as_dict().get(name)) for epoch in history]
    return [
        (number, scale * float(value))
        for number, value in pairs
        if isinstance(value, int | float) and math.isfinite(value)
    ]
