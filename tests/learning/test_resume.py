"""Interrupted trainings continue to the same bytes after a kill, a cancellation or a full disk."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.support.tiny_trainings import CHECKPOINT, EPOCHS, FILE, FOLDER, TASKS, Run, make_data, train
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.learning.registry import taken_names, trainings
from workbench.learning.trainer import Epoch

UNTRAINED = {"finetuning", "proposals"}  # these report the untrained model as epoch 0

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(task: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an uninterrupted training in another process."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert Run(task, data, cache).end() == ""
    assert not (cache / FOLDER).exists()
    return (cache / FILE).read_bytes()


def is_epoch(number: int) -> Callable[[str], bool]:
    return lambda label: label.startswith(f"training, epoch {number} of ")


@pytest.fixture(scope="module")
def interrupted(task: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a training that was cancelled in its third epoch."""
    cache = tmp_path_factory.mktemp("interrupted")
    cancel(task, data, cache, is_epoch(3))
    assert (cache / CHECKPOINT).is_file()
    assert (cache / FILE).is_file() == (task == "finetuning")  # fine-tuning publishes its best epoch
    return cache


@pytest.fixture
def cache(interrupted: Path, tmp_path: Path) -> Path:
    """A copy of the cache of ``interrupted``."""
    return Path(shutil.copytree(interrupted, tmp_path / "cache"))


def cancel(task: str, data: Path, cache: Path, stops_at: Callable[[str], bool]) -> None:
    def progress(label: str, done: int, total: int) -> None:
        if stops_at(label):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(task, data, cache, progress)


def resume(task: str, data: Path, cache: Path, **changed: Any) -> tuple[bytes, list[Epoch], set[int]]:
    """Run the training to its end; return its file's bytes, all epochs, and the numbers of those trained."""
    labels: set[str] = set()
    epochs: list[Epoch] = []
    path = train(task, data, cache, lambda label, done, total: labels.add(label), epochs.append, **changed)
    trained = {n for n in range(1, 9) if any(is_epoch(n)(label) for label in labels)}
    return path.read_bytes(), epochs, trained


def numbers(task: str) -> list[int]:
    return list(range(0 if task in UNTRAINED else 1, EPOCHS + 1))


@pytest.mark.slow
def test_a_training_killed_at_random_moments_continues_to_the_same_bytes(
    task: str, data: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    """Killed in the preparation, the first epoch and a later one; a run that ends before is repeated."""
    rng = random.Random(TASKS.index(task))
    stages: list[Callable[[str], bool]] = [
        lambda label: not label.startswith("training"),
        is_epoch(1),
        is_epoch(rng.randint(2, EPOCHS)),
    ]
    runs = 0
    while stages:
        runs += 1
        assert runs < 30, "the training ends before it is killed"
        run = Run(task, data, tmp_path)
        if run.wait_for(stages[0], rng.randint(1, 2)):
            time.sleep(rng.uniform(0, 0.03))
            run.process.kill()
        run.process.join(60)
        ended = (tmp_path / FILE).is_file() and not (tmp_path / FOLDER).exists()  # killed on its way out
        if run.process.exitcode == -signal.SIGKILL and not ended:
            stages.pop(0)
        else:
            assert (tmp_path / FILE).read_bytes() == undisturbed
            shutil.rmtree(tmp_path / "learned")
    assert (tmp_path / CHECKPOINT).is_file()
    assert Run(task, data, tmp_path).end() == ""
    assert (tmp_path / FILE).read_bytes() == undisturbed
    assert not (tmp_path / FOLDER).exists()
    assert not list(tmp_path.rglob("*.part"))


def test_a_training_cancelled_before_the_first_epoch_continues_to_the_same_bytes(
    task: str, data: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    labels: list[str] = []

    def third_label(label: str) -> bool:
        labels.append(label)
        return len(labels) == 3

    cancel(task, data, tmp_path, third_label)
    assert not (tmp_path / FILE).exists() and not (tmp_path / CHECKPOINT).exists()
    content, epochs, _ = resume(task, data, tmp_path)
    assert content == undisturbed
    assert [epoch.number for epoch in epochs] == numbers(task)


def test_a_training_cancelled_in_an_epoch_continues_to_the_same_bytes(
    task: str, data: Path, undisturbed: bytes, cache: Path
) -> None:
    content, epochs, trained = resume(task, data, cache)
    assert content == undisturbed
    assert [epoch.number for epoch in epochs] == numbers(task)  # earlier epochs are reported, too
    assert trained == {3}
    assert not (cache / FOLDER).exists()


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other tensors", "no epochs"])
def test_a_damaged_checkpoint_counts_as_absent(
    task: str, data: Path, undisturbed: bytes, cache: Path, damage: str
) -> None:
    path = cache / CHECKPOINT
    whole = path.read_bytes()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    if damage == "other tensors":
        tensors = load_file(path)
        name = next(name for name in tensors if name.startswith("model."))
        save_file({**tensors, name: torch.zeros(7, 7)}, path, metadata)
    elif damage == "no epochs":
        header = {key: value for key, value in json.loads(metadata["said"]).items() if key != "epochs"}
        save_file(load_file(path), path, {"said": json.dumps(header)})
    else:
        path.write_bytes({"empty": b"", "text": b"no checkpoint", "cut": whole[: len(whole) // 2]}[damage])
    content, _, trained = resume(task, data, cache)
    assert trained == {1, 2, 3}
    assert content == undisturbed


def test_other_settings_do_not_use_the_checkpoint(
    task: str, data: Path, undisturbed: bytes, cache: Path, tmp_path: Path
) -> None:
    content, _, trained = resume(task, data, cache, rate=2e-3)
    assert trained == {1, 2, 3} and content != undisturbed
    expected, _, _ = resume(task, data, tmp_path / "empty", rate=2e-3)
    assert content == expected


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["preparation", "checkpoint"])
def test_a_full_disk_is_reported_and_the_next_run_continues(
    task: str, data: Path, undisturbed: bytes, cache: Path, moment: str
) -> None:
    if moment == "preparation":
        shutil.rmtree(cache)
        max_bytes = 1000
    else:  # files of the checkpoint's size cannot be written
        max_bytes = (cache / CHECKPOINT).stat().st_size - 1
        (cache / CHECKPOINT).unlink()
    message = Run(task, data, cache, max_bytes).end()
    assert "cannot be written" in message and "\n" not in message
    assert "--cache" in message or message.startswith("the store ")
    assert not list(cache.rglob("*.part"))
    assert Run(task, data, cache).end() == ""
    assert (cache / FILE).read_bytes() == undisturbed


def test_a_second_process_is_refused(task: str, data: Path, cache: Path) -> None:
    run = Run(task, data, cache)
    assert run.wait_for(is_epoch(3))
    os.kill(run.process.pid or 0, signal.SIGSTOP)
    try:
        with pytest.raises(WorkbenchError, match="'mine' is being trained by another process"):
            train(task, data, cache)
    finally:
        run.kill()


@pytest.mark.parametrize("diverging", [task for task in TASKS if task != "attention"])
def test_divergence_is_reported(diverging: str, data: Path, tmp_path: Path) -> None:
    """The loss of attention stays finite at any rate, because tanh saturates: see ``test_trainer``."""
    with pytest.raises(WorkbenchError, match=r"diverged in epoch \d: take a smaller rate than 1e\+30; "):
        train(diverging, data, tmp_path, rate=1e30)
    assert not (tmp_path / FILE).exists()


def test_a_checkpoint_of_attention_of_version_0_1_is_continued_and_listed(data: Path, tmp_path: Path) -> None:
    """Version 0.1 used other names: the training continues from them, and the registry lists it."""
    cancel("attention", data, tmp_path, is_epoch(3))
    path = tmp_path / CHECKPOINT
    with safe_open(path, "pt") as file:
        header = json.loads(file.metadata()["said"])
    kinds = {"model": "now", "best": "best", "optimiser": "adam"}
    parameters = sorted(name.removeprefix("best.") for name in load_file(path) if name.startswith("best."))
    tensors = {}
    for name, tensor in load_file(path).items():
        kind, *rest = name.split(".")
        rest = [parameters[int(rest[0])], rest[1]] if kind == "optimiser" else rest
        tensors[".".join([kinds[kind], *rest])] = tensor
    seed = header["plan"].pop("seed")
    plan = {**{key: header["plan"][key] for key in ("epochs", "batch", "rate", "patience")}, "seed": seed}
    plan["about"] = header["plan"]
    save_file(tensors, path, {"plan": json.dumps(plan), "epochs": json.dumps(header["epochs"])})
    (training,) = trainings(tmp_path).values()
    assert training.resumable and [figure["number"] for figure in training.card["figures"]] == [1, 2]
    content, epochs, trained = resume("attention", data, tmp_path)
    assert trained == {3} and [epoch.number for epoch in epochs] == [1, 2, 3]
    expected, _, _ = resume("attention", data, tmp_path / "empty")
    assert content == expected


def test_training_that_ends_before_its_first_epoch_leaves_its_name_free(
    task: str, data: Path, tmp_path: Path
) -> None:
    cancel(task, data, tmp_path, is_epoch(1))
    assert taken_names(tmp_path) == set()
    folder = tmp_path / FOLDER  # prepared pictures stay; an empty folder does not
    assert not folder.exists() or {path.name for path in folder.iterdir()} > {".lock"}
