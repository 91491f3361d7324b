"""Epochs of training alone, of a parabola."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.config import WorkbenchError
from workbench.learning.trainer import Epoch, Plan, descend


def _plan(**changed: float) -> Plan:
    return Plan(**{"epochs": 20, "batch": 2, "rate": 0.1, "patience": 3, "seed": 0, "about": {}, **changed})  # type: ignore[arg-type]


def test_training_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    """Items 0 and 1 pull to 1, item 2, which is held out, to 0.25: the best epoch is not the last."""
    goals = torch.tensor([1.0, 1.0, 0.25])
    parameters = {"x": torch.zeros(())}

    def loss(rows: np.ndarray) -> torch.Tensor:
        return (parameters["x"] - goals[rows]).square().mean()

    best, epochs = descend(parameters, loss, [0, 1], [2], _plan(), tmp_path / "checkpoint")
    lowest = min(epochs, key=lambda epoch: epoch.validation)
    assert len(epochs) == lowest.number + 3 < 20
    assert float(best["x"]) == pytest.approx(0.25, abs=0.1) and float(parameters["x"].detach()) > float(
        best["x"]
    )


def test_a_diverging_loss_keeps_the_epochs_before(tmp_path: Path) -> None:
    parameters, calls = {"x": torch.ones(())}, [0]

    def loss(rows: np.ndarray) -> torch.Tensor:
        calls[0] += 1
        return parameters["x"].square() * (float("inf") if calls[0] > 5 else 1.0)

    with pytest.raises(
        WorkbenchError, match=r"diverged in epoch 3 \(loss .*, held out inf\); take a smaller"
    ):
        descend(parameters, loss, [0], [1], _plan(), tmp_path / "checkpoint")
    seen: list[Epoch] = []
    calls[0] = 0
    fresh = {"x": torch.ones(())}

    def sound(rows: np.ndarray) -> torch.Tensor:
        return fresh["x"].square()

    descend(fresh, sound, [0], [1], _plan(), tmp_path / "checkpoint", report=seen.append)
    assert [epoch.number for epoch in seen[:3]] == [1, 2, 3]
