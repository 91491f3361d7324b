"""The training loop on a parabola: early stopping, the best epoch, divergence, rates, and its sums."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.learning.checkpoints import Checkpoint, to_bytes
from workbench.learning.trainer import (
    Epoch,
    Task,
    best_epoch,
    sequential_sum,
    train_epochs,
    warmup_then_linear,
)


class Parabola(Task):
    """Train x from 0 to 1 by two batches an epoch; ``distance`` is least at x = 0.25."""

    objective = "distance"

    def __init__(self, epochs: int = 20, patience: int | None = 3, rate: float = 0.1) -> None:
        model = torch.nn.ParameterDict({"x": torch.zeros(())})
        super().__init__(model, torch.optim.Adam(model.parameters(), rate), epochs)
        self.patience = patience
        self.published: list[list[int]] = []
        self.rates: list[float] = []

    @property
    def x(self) -> float:
        return float(self.model.state_dict()["x"])

    def batches(self, epoch: int) -> Sequence[float]:
        return [1.0, 1.0]

    def loss(self, batch: float) -> torch.Tensor:
        self.rates.append(self.optimiser.param_groups[0]["lr"])
        (x,) = self.model.parameters()
        return (x - batch).square()

    def validate(self, progress: Progress) -> dict[str, Any]:
        return {"distance": abs(self.x - 0.25), "x": self.x}

    def publish(self, epochs: Sequence[Epoch]) -> None:
        self.published.append([epoch.number for epoch in epochs])


def test_training_stops_after_patience_epochs_without_improvement(tmp_path: Path) -> None:
    task = Parabola()
    epochs = train_epochs(task, tmp_path / "c", {})
    best = min(epochs, key=lambda epoch: epoch.measures["distance"])
    assert [epoch.number for epoch in epochs] == list(range(1, best.number + 4))
    assert task.x == epochs[-1].measures["x"] > best.measures["x"]  # the last weights
    assert task.published == [list(range(1, number + 1)) for number in range(1, best.number + 1)]


def test_the_weights_of_the_best_epoch_are_returned(tmp_path: Path) -> None:
    task = Parabola()
    task.return_best = True
    epochs = train_epochs(task, tmp_path / "c", {})
    best = min(epochs, key=lambda epoch: epoch.measures["distance"])
    assert task.x == best.measures["x"]
    resumed = Parabola()
    resumed.return_best = True
    assert train_epochs(resumed, tmp_path / "c", {}) == epochs  # no epoch is left to train
    assert resumed.x == task.x and not resumed.rates


def test_without_patience_all_epochs_are_trained(tmp_path: Path) -> None:
    task = Parabola(epochs=9, patience=None)
    assert len(train_epochs(task, tmp_path / "c", {})) == 9


def test_the_untrained_model_is_epoch_zero(tmp_path: Path) -> None:
    task = Parabola(epochs=2)
    task.validate_untrained = True
    first, *others = train_epochs(task, tmp_path / "c", {})
    assert first == Epoch(0, None, {"distance": 0.25, "x": 0.0})
    assert [epoch.number for epoch in others] == [1, 2]


def test_losses_and_rates_by_hand(tmp_path: Path) -> None:
    """Adam's first step has the length of the rate: the losses of an epoch are 1 and 0.9²."""

    class Halved(Parabola):
        def rate_factor(self, epoch: int, step: int, steps: int) -> float:
            assert (step, steps) == (2 * (epoch - 1) + step % 2, 4)
            return 1.0 if step == 0 else 0.5

    task = Halved(epochs=2)
    (first, _) = train_epochs(task, tmp_path / "c", {})
    assert first.loss == pytest.approx((1 + 0.81) / 2, abs=1e-5)
    assert task.rates == [0.1, 0.05, 0.05, 0.05]


@pytest.mark.parametrize("stage", ["loss", "measure"])
def test_divergence_keeps_the_previous_epochs(tmp_path: Path, stage: str) -> None:
    class Diverging(Parabola):
        def loss(self, batch: float) -> torch.Tensor:
            loss = super().loss(batch)
            return loss * float("nan") if stage == "loss" and len(self.rates) > 5 else loss

        def validate(self, progress: Progress) -> dict[str, Any]:
            measures = super().validate(progress)
            return measures | ({"x": float("inf")} if stage == "measure" and len(self.rates) > 5 else {})

    message = r"diverged in epoch 3: take a smaller rate than 0\.1; the epochs before it are kept"
    with pytest.raises(WorkbenchError, match=message):
        train_epochs(Diverging(), tmp_path / "c", {})
    reported: list[Epoch] = []
    resumed = Parabola()
    epochs = train_epochs(resumed, tmp_path / "c", {}, report=reported.append)
    assert reported == epochs and len(resumed.rates) == 2 * (len(epochs) - 2)  # continued after the second
    assert epochs == train_epochs(Parabola(), tmp_path / "other", {})


def test_divergence_in_the_first_epoch_keeps_none(tmp_path: Path) -> None:
    class Diverging(Parabola):
        def loss(self, batch: float) -> torch.Tensor:
            return super().loss(batch) * float("inf")

    with pytest.raises(WorkbenchError, match=r"diverged in epoch 1: .*; no epoch is kept"):
        train_epochs(Diverging(), tmp_path / "c", {})
    assert not (tmp_path / "c").exists()


def test_a_checkpoint_of_another_plan_is_not_used(tmp_path: Path) -> None:
    train_epochs(Parabola(epochs=2), tmp_path / "c", {"data": [1, 2]})
    same, other = Parabola(epochs=2), Parabola(epochs=2)
    train_epochs(same, tmp_path / "c", {"data": (1, 2)})
    train_epochs(other, tmp_path / "c", {"data": [1, 3]})
    assert not same.rates and len(other.rates) == 4


@pytest.mark.parametrize(
    ("objective", "maximise", "number"), [("", False, 3), ("value", False, 2), ("value", True, 1)]
)
def test_the_first_of_equally_good_epochs_is_the_best(objective: str, maximise: bool, number: int) -> None:
    epochs = [Epoch(n, None, {"value": value}) for n, value in enumerate((9.0, 2.0, 1.0, 1.0))]
    best = best_epoch(epochs, objective, maximise)
    assert best is epochs[number]  # the untrained epoch 0 is excluded
    assert best_epoch(epochs[:1], objective, maximise) is None


def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero() -> None:
    assert [warmup_then_linear(step, 20) for step in (0, 1, 2, 11, 19)] == [0.5, 1, 1, 0.5, 1 / 18]
    assert warmup_then_linear(0, 1) == 1


def test_sequential_sum_adds_from_first_to_last() -> None:
    """A compensated sum would be 2."""
    assert sequential_sum([1.0, 1e100, 1.0, -1e100]) == 0


def test_an_epoch_as_a_dictionary_and_as_text() -> None:
    epoch = Epoch(2, 0.5, {"mean_ap": 0.25, "boxes": [[1]]})
    assert epoch.as_dict() == {"number": 2, "loss": 0.5, "mean_ap": 0.25, "boxes": [[1]]}
    assert Epoch.of(epoch.as_dict()) == epoch
    assert str(epoch) == "epoch 2: loss 0.500, held-out mAP 25 %"
    assert str(Epoch(0, None, {"mean_ap": 0.25})) == "epoch 0: untrained, held-out mAP 25 %"


def test_a_checkpoint_is_loaded_as_saved(tmp_path: Path) -> None:
    model, state = {"a.b": torch.tensor([1.0, 2.0])}, {3: {"step": torch.tensor(4.0)}}
    saved = Checkpoint({"seed": 1}, [{"number": 1}], model, state)
    saved.save(tmp_path / "c")
    loaded = Checkpoint.load(tmp_path / "c")
    assert loaded is not None and (loaded.plan, loaded.epochs) == (saved.plan, saved.epochs)
    assert torch.equal(loaded.model["a.b"], saved.model["a.b"]) and not loaded.best and not loaded.scaler
    assert list(loaded.optimiser) == [3] and loaded.optimiser[3]["step"] == 4
    assert Checkpoint.load(tmp_path / "absent") is None


def test_equal_tensors_and_metadata_give_equal_bytes() -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.arange(2)}
    metadata = {key: key for key in "abcdefgh"}
    contents = {to_bytes(tensors, dict(sorted(metadata.items(), reverse=bool(n % 2)))) for n in range(8)}
    assert len(contents) == 1
