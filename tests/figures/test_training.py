"""The curves of a training, and the histories that files give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from workbench.config.errors import WorkbenchError
from workbench.learning.checkpoints import Checkpoint
from workbench.learning.history import TrainingHistory, kept_epoch, training_history
from workbench.learning.trainer import Epoch

EPOCHS = (
    Epoch(0, None, {"mean_ap": 0.25}),
    Epoch(1, 0.9, {"mean_ap": 0.5}),
    Epoch(2, 0.7, {"mean_ap": 0.75}),
    Epoch(3, 0.6, {"mean_ap": 0.75}),
)


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def test_loss_and_held_out_map_are_drawn_over_epochs_and_the_kept_one_is_marked() -> None:
    history = TrainingHistory("mine", EPOCHS, planned=8, collection="photos")
    figure = history.figure()
    loss, measured = trace(figure, "loss"), trace(figure, "held-out mAP")
    assert (list(loss.x), list(loss.y)) == ([1, 2, 3], [0.9, 0.7, 0.6])
    assert (list(measured.x), list(measured.y)) == ([0, 1, 2, 3], [25, 50, 75, 75])  # percent
    assert (loss.yaxis, measured.yaxis) == ("y", "y2")
    (line,) = figure.layout.shapes
    assert line.x0 == line.x1 == history.kept == 2
    assert tuple(figure.layout.xaxis.range) == (-0.5, 8.5)
    said = figure.layout.title.subtitle.text
    assert said == "n = 3 of 8 epochs · on photos · epoch 2 is kept"
    assert figure.layout.yaxis.title.text == "loss" and figure.layout.yaxis2.title.text == "held out, %"


def test_training_that_only_measures_losses_has_one_axis() -> None:
    epochs = (Epoch(1, 2.0, {"validation": 1.5}), Epoch(2, 1.0, {"validation": 1.75}))
    figure = TrainingHistory("old", epochs).figure()
    assert list(trace(figure, "held-out loss").y) == [1.5, 1.75]
    assert "yaxis2" not in figure.layout.to_plotly_json()
    assert figure.layout.shapes[0].x0 == 1  # of the lowest held-out loss


def test_training_before_its_first_epoch_is_one_sentence() -> None:
    for epochs in ((), EPOCHS[:1]):
        history = TrainingHistory("new", epochs, planned=3)
        assert history.kept == -1
        assert history.figure().layout.annotations[0].text.startswith("The first epoch appears here")
        assert "new" in history._repr_html_()


def test_kept_epoch_is_the_first_best_or_else_the_last() -> None:
    assert kept_epoch([epoch.as_dict() for epoch in EPOCHS]) == 2
    shares = [{"number": n, "loss": 1.0, "false_positives": 0.1 * n} for n in (1, 2)]
    assert kept_epoch(shares) == 2
    assert kept_epoch([]) == -1


def test_history_is_a_list_of_epochs_and_shows_its_numbers_as_text() -> None:
    history = TrainingHistory("<img src=x>", EPOCHS, planned=8)
    assert len(history) == 4 and list(history) == list(EPOCHS) and history[-1] is EPOCHS[-1]
    assert history[:2] == EPOCHS[:2]
    assert (
        repr(history)
        == "TrainingHistory('<img src=x>': 3 epochs, kept epoch 2: loss 0.700, held-out mAP 75 %)"
    )
    html = history._repr_html_()
    assert "<img" not in html and "&lt;img src=x&gt;" in html
    assert "epoch 0: untrained, held-out mAP 25 %" in html
    assert html.count("<tr>") == 1 + 4 and "held-out mAP, %" in html


@pytest.mark.parametrize(
    ("name", "measure", "count"),
    [
        ("attention_efficientnet_lite0", "held-out mAP", 16),
        ("hardnet", "held-out false positives at 95 % recall", 7),
        ("proposals_efficientnet_lite0", "held-out recall", 6),
    ],
)
def test_shipped_weights_have_a_history(tmp_path: Path, name: str, measure: str, count: int) -> None:
    history = training_history(tmp_path, name)
    assert len(history) == count
    assert len(trace(history.figure(), measure).x) == count


def test_interrupted_training_is_read_from_its_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "learned" / "half.training"
    folder.mkdir(parents=True)
    figures = [epoch.as_dict() for epoch in EPOCHS[:2]]
    plan = {"epochs": 8, "collection": "posters", "base": "resnet18@random"}
    Checkpoint(plan, figures, {"a": torch.zeros(1)}, {}).save(folder / "checkpoint.safetensors")
    history = training_history(tmp_path, "half")
    assert history.epochs == EPOCHS[:2] and history.planned == 8
    assert history.figure().layout.title.subtitle.text.endswith("semi-synthetic data · random weights")


@pytest.mark.parametrize("name", ["none", "../half", "a\\b", "", "x" * 300])
def test_unknown_names_are_errors_that_say_which_there_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "learned").mkdir()
    (tmp_path / "learned" / "damaged.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(WorkbenchError, match=r"there are .*damaged, hardnet"):
        training_history(tmp_path, name)
    with pytest.raises(WorkbenchError, match="no training has the name 'damaged'"):
        training_history(tmp_path, "damaged")
