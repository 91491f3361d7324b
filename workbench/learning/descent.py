"""Epochs of Adam on the trained blocks, resumed from their last checkpoint to the same result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.config import WorkbenchError
from workbench.learning import checkpoints
from workbench.learning.finetuning import losses
from workbench.learning.finetuning.model import Tuned
from workbench.learning.finetuning.sampler import by_class
from workbench.progress import Progress, silent

HEAD = 10  # times the rate, for a classifier's new layer
DECAY = 1e-4


@dataclass(frozen=True)
class Settings:
    """How a backbone is fine-tuned: its last ``blocks``, by Adam, whose ``rate`` falls to nought as a cosine.

    A batch has ``each`` images of so many ``classes``; an image is seen in one of ``views`` fixed views of
    ``side`` pixels. ``held_out`` is the share to validate on, and ``patience`` the epochs without a better
    validation after which training ends.
    """

    loss: losses.Name = "triplet"
    pooling: str = "gem:3"
    blocks: int = 4
    epochs: int = 8
    rate: float = 3e-4
    classes: int = 16
    each: int = 4
    views: int = 4
    side: int = 224
    held_out: float = 0.2
    patience: int = 3


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: the mean loss (None before the first), and the mAP, 0…1, of what is held out."""

    number: int
    loss: float | None
    mean_ap: float


def best(epochs: Sequence[Epoch]) -> Epoch | None:
    """The epoch of the best validation, the untrained backbone apart; None before the first."""
    return max(epochs[1:], key=lambda epoch: epoch.mean_ap, default=None)


def descend(
    tuned: Tuned,
    criterion: torch.nn.Module,
    views: Sequence[np.ndarray],
    classes: np.ndarray,
    validate: Callable[[], float],
    publish: Callable[[Sequence[Epoch]], None],
    settings: Settings,
    seed: int,
    checkpoint: Path,
    plan: dict[str, Any],
    progress: Progress = silent,
    tell: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train on ``views``, each [n, h, w, C] of the same n images, and their ``classes`` [n].

    ``publish`` is called after each epoch that is the best so far, ``tell`` after each, and for those past.
    Raises WorkbenchError where the loss diverges, or the disk is full.
    """
    model = torch.nn.ModuleList([tuned.blocks, criterion.to(tuned.device)])
    groups = [
        {"params": list(part.parameters()), "factor": factor}
        for part, factor in zip(model, (1, HEAD), strict=True)
    ]
    adam = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=DECAY)
    half = tuned.device.startswith("cuda") and tuned.precision == "float16"
    scaler = torch.amp.GradScaler("cuda", enabled=half)
    said = checkpoints.resume(checkpoint, model, adam, plan)
    epochs = [Epoch(**one) for one in said["epochs"]] if said else [Epoch(0, None, validate())]
    if said:
        scaler.load_state_dict(said["scaler"])
    for one in epochs:
        tell(one)

    def step(batch: np.ndarray, rng: np.random.Generator) -> float:
        """One step of Adam; returns the loss before it."""
        drawn = rng.integers(0, len(views), len(batch))
        maps = np.stack([views[view][row] for view, row in zip(drawn, batch, strict=True)])
        vectors = tuned(torch.from_numpy(maps).permute(0, 3, 1, 2))
        value = criterion(vectors, torch.from_numpy(classes[batch]).to(tuned.device))
        adam.zero_grad()
        torch.as_tensor(scaler.scale(value)).backward()
        scaler.step(adam)
        scaler.update()
        return float(value.detach())

    while len(epochs) <= settings.epochs and not _stale(epochs, settings.patience):
        number = len(epochs)
        for group in adam.param_groups:
            fall = (1 + math.cos(math.pi * (number - 1) / settings.epochs)) / 2
            group["lr"] = settings.rate * group["factor"] * fall
        batches = by_class(classes, settings.classes, settings.each, (seed, 3, number))
        rng = np.random.default_rng([seed, 4, number])
        total = 0.0
        for done, batch in enumerate(batches):
            progress(f"training, epoch {number} of {settings.epochs}", done, len(batches))
            total += step(batch, rng)
            if not math.isfinite(total):
                break
        mean_ap = validate() if math.isfinite(total) else math.nan
        if not math.isfinite(mean_ap):
            raise WorkbenchError(_diverged(epochs, settings.rate))
        epochs.append(Epoch(number, total / len(batches), mean_ap))
        if best(epochs) is epochs[-1]:
            publish(epochs)
        said = {"plan": plan, "epochs": [asdict(one) for one in epochs], "scaler": scaler.state_dict()}
        checkpoints.keep(checkpoint, model.state_dict(), adam, said)
        tell(epochs[-1])
    return epochs


def _stale(epochs: Sequence[Epoch], patience: int) -> bool:
    top = best(epochs)
    return top is not None and epochs[-1].number - top.number >= patience


def _diverged(epochs: Sequence[Epoch], rate: float) -> str:
    top = best(epochs)
    kept = f"epoch {top.number}, the best before, is kept" if top else "nothing is kept"
    return f"training diverged in epoch {len(epochs)}: take a smaller rate than {rate:g}; {kept}"
