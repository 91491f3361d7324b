"""The training loop: epochs, checkpoints, resuming to the same result, early stopping, divergence."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.learning.checkpoints import Checkpoint, Tensors
from workbench.learning.measures import measure


@dataclass(frozen=True)
class Epoch:
    """Result of an epoch: the mean training loss, and ``measures`` by name on the data held out.

    Number 0 is the untrained model, whose ``loss`` is None.
    """

    number: int
    loss: float | None
    measures: dict[str, Any]

    def __str__(self) -> str:
        loss = "untrained" if self.loss is None else f"loss {self.loss:.3f}"
        values = [
            measure(name).text(value) for name, value in self.measures.items() if isinstance(value, float)
        ]
        return f"epoch {self.number}: " + ", ".join([loss, *values])

    def as_dict(self) -> dict[str, Any]:
        """As a flat dictionary, as cards and checkpoints store it."""
        return {"number": self.number, "loss": self.loss, **self.measures}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Epoch:
        """The epoch that ``as_dict`` gave. Raises KeyError if ``values`` is something else."""
        rest = {name: value for name, value in values.items() if name not in ("number", "loss")}
        return cls(values["number"], values["loss"], rest)


Report = Callable[[Epoch], None]


def no_report(epoch: Epoch) -> None:
    """Ignore the epoch."""


class TrainingSettings:
    """Base class of the settings of a training, which are frozen dataclasses with a learning ``rate``."""

    MINIMA: ClassVar[dict[str, int]] = {}  # by the name of the setting
    rate: float

    def validate(self) -> None:
        """Raises WorkbenchError if a setting is out of range."""
        for name, minimum in self.MINIMA.items():
            if getattr(self, name) < minimum:
                raise WorkbenchError(f"{name} {getattr(self, name)}: take {minimum} or more")
        if not 0 < self.rate < math.inf:
            raise WorkbenchError(f"rate {self.rate:g}: take a number above 0")


def require_share(name: str, value: float) -> None:
    """Raise WorkbenchError if a setting is not a share between 0 and 1."""
    if not 0 < value < 1:
        raise WorkbenchError(f"{name} {value:g}: take a share between 0 and 1")


class Task(abc.ABC):
    """A model to train, its data and its optimiser, as ``train_epochs`` runs them.

    ``epochs`` is the largest number of epochs; after ``patience`` epochs without a better value of
    ``objective`` (the name of a measure) training stops. ``maximise`` tells whether larger values are better.
    ``return_best``: at the end the model has the weights of the best epoch instead of the last.
    ``validate_untrained``: measure the untrained model as epoch 0. ``clip_norm`` limits the gradient's norm.
    Learning rates are those that the optimiser's groups begin with, times ``rate_factor``.
    """

    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epochs: int
    patience: int | None = None
    objective: str = ""
    maximise: bool = False
    return_best: bool = False
    validate_untrained: bool = False
    clip_norm: float | None = None

    def __init__(self, model: torch.nn.Module, optimiser: torch.optim.Optimizer, epochs: int) -> None:
        self.model, self.optimiser, self.epochs = model, optimiser, epochs
        self.scaler = torch.amp.GradScaler("cuda", enabled=False)

    @abc.abstractmethod
    def batches(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch (from 1); the same at each call."""

    @abc.abstractmethod
    def loss(self, batch: Any) -> torch.Tensor:
        """The loss of a batch, a scalar with its gradient."""

    @abc.abstractmethod
    def validate(self, progress: Progress) -> dict[str, Any]:
        """Measures on the data held out, by name; a float that is not finite means divergence."""

    def position(self, epoch: int, batch: int, batches: int) -> tuple[int, int]:
        """The step number (from 0) of a batch of an epoch, and the number of steps of the whole training."""
        return (epoch - 1) * batches + batch, self.epochs * batches

    def rate_factor(self, epoch: int, step: int, steps: int) -> float:
        """The factor of the learning rates in a step."""
        return 1.0

    def mean_loss(self, losses: Sequence[float], batches: Sequence[Any]) -> float:
        """The loss of an epoch from those of its batches."""
        return sequential_sum(losses) / len(losses)

    def publish(self, epochs: Sequence[Epoch]) -> None:
        """Called after each epoch that is the best so far, before its checkpoint is written."""
        return None


def train_epochs(
    task: Task,
    checkpoint: Path,
    plan: Mapping[str, Any],
    progress: Progress = silent,
    report: Report = no_report,
) -> list[Epoch]:
    """Train ``task.model`` until its last epoch or until early stopping; returns all epochs.

    The state is written to ``checkpoint`` after each epoch. If there is a checkpoint of an equal ``plan``,
    training continues from it, to the same result as without the interruption. ``report`` is called with each
    epoch, those of the checkpoint included; ``progress`` may raise Cancelled. Raises WorkbenchError if the
    loss or a measure is not finite, or the disk is full; the last checkpoint stays.
    """
    rates = [float(group["lr"]) for group in task.optimiser.param_groups]
    epochs, best = _resume(task, checkpoint, plan)
    if not epochs and task.validate_untrained:
        epochs = [Epoch(0, None, task.validate(progress))]
    for epoch in epochs:
        report(epoch)
    while (number := _trained(epochs) + 1) <= task.epochs and not _stopped_early(task, epochs):
        batches = task.batches(number)
        losses: list[float] = []
        for index, batch in enumerate(batches):
            step, steps = task.position(number, index, len(batches))
            progress(f"training, epoch {number} of {task.epochs}", step, steps)
            factor = task.rate_factor(number, step, steps)
            for group, rate in zip(task.optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            losses.append(_step(task, batch))
            if not math.isfinite(losses[-1]):
                raise _divergence(number, epochs, rates[0])
        measures = task.validate(progress)
        if not all(math.isfinite(value) for value in measures.values() if isinstance(value, float)):
            raise _divergence(number, epochs, rates[0])
        epochs.append(Epoch(number, task.mean_loss(losses, batches), measures))
        if best_epoch(epochs, task.objective, task.maximise) is epochs[-1]:
            if task.return_best:
                best = {name: tensor.detach().clone() for name, tensor in task.model.state_dict().items()}
            task.publish(epochs)
        Checkpoint(
            dict(plan),
            [epoch.as_dict() for epoch in epochs],
            task.model.state_dict(),
            task.optimiser.state_dict()["state"],
            task.scaler.state_dict(),
            best,
        ).save(checkpoint)
        report(epochs[-1])
    if best:
        task.model.load_state_dict(best)
    return epochs


def best_epoch(epochs: Sequence[Epoch], objective: str, maximise: bool) -> Epoch | None:
    """The first trained epoch with the best value of a measure; without ``objective`` the last epoch.

    None if no epoch is trained.
    """
    trained = [epoch for epoch in epochs if epoch.number > 0]
    if not trained or not objective:
        return trained[-1] if trained else None
    choose = max if maximise else min
    return choose(trained, key=lambda epoch: epoch.measures[objective])


def warmup_then_linear(step: int, steps: int) -> float:
    """A factor of the learning rate: rising over the first tenth of the steps, then falling to zero."""
    warmup = max(1, steps // 10)
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))


def sequential_sum(values: Sequence[float]) -> float:
    """Add from first to last, unlike Python's ``sum``, which from 3.12 on compensates for rounding."""
    return float(np.cumsum(values)[-1])


def _step(task: Task, batch: Any) -> float:
    """Take a step of the optimiser; returns the loss before it."""
    loss = task.loss(batch)
    task.optimiser.zero_grad()
    torch.as_tensor(task.scaler.scale(loss)).backward()
    if task.clip_norm is not None:
        task.scaler.unscale_(task.optimiser)
        torch.nn.utils.clip_grad_norm_(task.model.parameters(), task.clip_norm)
    task.scaler.step(task.optimiser)
    task.scaler.update()
    return float(loss.detach())


def _resume(task: Task, path: Path, plan: Mapping[str, Any]) -> tuple[list[Epoch], Tensors]:
    """Restore the task from a checkpoint that fits; returns its epochs and the best weights."""
    checkpoint = Checkpoint.load(path)
    if checkpoint is None or not checkpoint.fits(plan, task.model):
        return [], {}
    try:
        epochs = [Epoch.of(values) for values in checkpoint.epochs]
    except KeyError:
        return [], {}
    task.model.load_state_dict(checkpoint.model)
    task.optimiser.load_state_dict({**task.optimiser.state_dict(), "state": checkpoint.optimiser})
    task.scaler.load_state_dict(checkpoint.scaler)
    return epochs, checkpoint.best


def _trained(epochs: Sequence[Epoch]) -> int:
    return epochs[-1].number if epochs else 0


def _stopped_early(task: Task, epochs: Sequence[Epoch]) -> bool:
    best = best_epoch(epochs, task.objective, task.maximise)
    return best is not None and task.patience is not None and _trained(epochs) - best.number >= task.patience


def _divergence(number: int, epochs: Sequence[Epoch], rate: float) -> WorkbenchError:
    kept = "the epochs before it are kept" if _trained(epochs) else "no epoch is kept"
    return WorkbenchError(f"training diverged in epoch {number}: take a smaller rate than {rate:g}; {kept}")
