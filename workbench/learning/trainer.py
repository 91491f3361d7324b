"""Epochs of training by Adam, which may be broken off anywhere and go on to the same result."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from workbench.config import WorkbenchError
from workbench.progress import Progress, silent
from workbench.writing import replace_file

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: mean losses over what was trained on, and over what was held out."""

    number: int
    loss: float
    validation: float


@dataclass(frozen=True)
class Plan:
    """``epochs`` at most, fewer after ``patience`` without a better validation; ``batch`` items a step of
    Adam at ``rate``. ``seed`` is of the order; ``about``: whatever else must be the same to go on."""

    epochs: int
    batch: int
    rate: float
    patience: int
    seed: int
    about: dict[str, Any]


def descend(
    parameters: Tensors,
    loss: Callable[[np.ndarray], torch.Tensor],
    training: Sequence[int],
    held_out: Sequence[int],
    plan: Plan,
    checkpoint: Path,
    progress: Progress = silent,
    report: Callable[[Epoch], None] | None = None,
) -> tuple[Tensors, list[Epoch]]:
    """Minimise the mean ``loss`` of items; returns the parameters of the best epoch, and all epochs.

    ``parameters`` are changed. Raises WorkbenchError where the loss is no longer finite: the checkpoint of
    the epoch before stays.
    """
    for one in parameters.values():
        one.requires_grad_(True)
    adam = torch.optim.Adam(parameters.values(), plan.rate)
    best, epochs = _resume(parameters, adam, plan, checkpoint)
    for past in epochs:
        if report:
            report(past)
    while len(epochs) < plan.epochs and not _stale(epochs, plan.patience):
        number = len(epochs) + 1
        order = np.random.default_rng([plan.seed, number]).permutation(np.asarray(training))
        total = 0.0
        for start in range(0, len(order), plan.batch):
            progress(f"training, epoch {number} of {plan.epochs}", start, len(order))
            some = order[start : start + plan.batch]
            value = loss(some)
            adam.zero_grad()
            value.backward()
            adam.step()
            total += float(value.detach()) * len(some)
        with torch.no_grad():
            parts = [held_out[n : n + plan.batch] for n in range(0, len(held_out), plan.batch)]
            validation = sum(float(loss(np.asarray(part))) * len(part) for part in parts) / len(held_out)
        done = Epoch(number, total / len(order), validation)
        if not math.isfinite(done.loss + done.validation):
            raise WorkbenchError(
                f"training diverged in epoch {number} (loss {done.loss:g}, held out {validation:g}); take "
                f"a smaller learning rate than {plan.rate:g}. The epochs before are kept"
            )
        if done.validation < min((past.validation for past in epochs), default=math.inf):
            best = {name: one.detach().clone() for name, one in parameters.items()}
        epochs.append(done)
        _keep(parameters, adam, best, epochs, plan, checkpoint)
        if report:
            report(done)
    return best, epochs


def _stale(epochs: Sequence[Epoch], patience: int) -> bool:
    if not epochs:
        return False
    best = min(epochs, key=lambda epoch: epoch.validation)
    return len(epochs) - best.number >= patience


def _keep(
    parameters: Tensors, adam: Any, best: Tensors, epochs: Sequence[Epoch], plan: Plan, path: Path
) -> None:
    tensors = {f"best.{name}": one for name, one in best.items()}
    for name, one in parameters.items():
        tensors[f"now.{name}"] = one.detach().clone()
        for key, value in adam.state[one].items():
            tensors[f"adam.{name}.{key}"] = value.clone()
    said = {"plan": json.dumps(asdict(plan)), "epochs": json.dumps([asdict(epoch) for epoch in epochs])}
    replace_file(path, save(tensors, said))


def _resume(parameters: Tensors, adam: Any, plan: Plan, path: Path) -> tuple[Tensors, list[Epoch]]:
    """Take up a checkpoint of the same plan; without one, begin."""
    start = {name: one.detach().clone() for name, one in parameters.items()}
    try:
        with safe_open(str(path), framework="pt") as file:
            said = file.metadata() or {}
            if json.loads(said["plan"]) != json.loads(json.dumps(asdict(plan))):
                return start, []
            epochs = [Epoch(**epoch) for epoch in json.loads(said["epochs"])]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with torch.no_grad():
            for name, one in parameters.items():
                one.copy_(tensors[f"now.{name}"])
                adam.state[one] = {
                    key: tensors[f"adam.{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
                }
        return {name: tensors[f"best.{name}"] for name in parameters}, epochs
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        with torch.no_grad():
            for name, one in parameters.items():
                one.copy_(start[name])
        adam.state.clear()
        return start, []
