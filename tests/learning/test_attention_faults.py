"""Training attention with invalid photos, labels, settings and names, a full disk, and Ctrl+C."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.attention import QUICK, collection_of, options_in, same, trained
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from tests.support.tiny_trainings import Run, make_data
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.features.map_source import MapSource
from workbench.learning.attention.data import TrainingData
from workbench.learning.attention.train import AttentionSettings, train_attention

FEW = replace(QUICK, composites=4, epochs=1)
CLASSIFIED = replace(QUICK, targets="predictions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12)


@pytest.mark.parametrize(
    ("count", "message"), [(1, "has 1 readable photos, too few"), (3, "3 readable photos")]
)
def test_too_few_photos_are_refused(tmp_path: Path, count: int, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        trained(folder_of(tmp_path / "photos", count), tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(WorkbenchError, match="no image"):
        trained(tmp_path / "photos", tmp_path)


def test_a_damaged_photo_is_excluded_and_counted(folder: Path, tmp_path: Path) -> None:
    """Damage that only decoding detects: training equals training without the photo, which is counted."""
    expected, photos = trained(folder, tmp_path / "a", FEW), tmp_path / "photos"
    shutil.copytree(folder, photos, ignore=shutil.ignore_patterns(".cache"))
    data = bytearray((photos / "003.jpg").read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xff\xd8" * (len(data) // 2 - len(data) // 3)
    (photos / "damaged.jpg").write_bytes(data[: len(data) - 2] + b"\xff\xd9")
    assert len(collection_of(photos).images) == 13  # not detected when the folder is opened
    attention = trained(photos, tmp_path / "b", FEW)
    assert attention.about["photos"] == 12 and attention.about["unreadable"] == 1
    assert same(attention, expected)


def test_damage_that_leaves_too_few_photos_is_reported(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 4)
    collection = collection_of(photos)
    (photos / "003.jpg").write_bytes(b"no picture")
    with pytest.raises(WorkbenchError, match="has 3 readable photos, too few"):
        train_attention(collection, options_in(tmp_path), "mine", NETWORK, QUICK)


def test_unreadable_photos_do_not_shift_the_classes(folder: Path, tmp_path: Path) -> None:
    collection = collection_of(folder).without([("003.jpg", "damaged")])
    source = MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))
    photos = list(collection.images)
    data = TrainingData(collection, source, torch.nn.Linear(96, 12), photos, NETWORK)
    assert data.classes().tolist() == [0, 1, 2, *range(4, 12)]


def test_a_photo_deleted_during_training_is_reported(tmp_path: Path) -> None:
    """It is deleted while composites are generated, after its map was stored."""
    photos = folder_of(tmp_path / "photos", 5)

    def remove(label: str, done: int, total: int) -> None:
        if label == "decoding photos" and done == 2:
            (photos / "003.jpg").unlink()

    with pytest.raises(WorkbenchError, match=r"photo '003\.jpg' cannot be used: the file is missing"):
        trained(photos, tmp_path, progress=remove)


def test_labels_that_are_not_the_classes_of_the_classifier_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"has 12 labels, but the classifier knows 1000 classes"):
        trained(folder, tmp_path, replace(QUICK, targets="labels"))


@pytest.mark.parametrize(
    ("backbone", "name", "message"),
    [
        ("vgg16@random", "mine", "no classifier of one linear layer"),
        (NETWORK, "No Name", "small letters"),
        ("nothing", "mine", "'nothing' is not known"),
    ],
)
def test_invalid_backbones_and_names_are_refused(
    folder: Path, tmp_path: Path, backbone: str, name: str, message: str
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        train_attention(collection_of(folder), options_in(tmp_path), name, backbone, CLASSIFIED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (AttentionSettings(targets="words"), "'words' are not known; valid: photos, predictions, labels"),
        (AttentionSettings(fidelity=-1), "fidelity -1: take 0 or more"),
        (AttentionSettings(composites=1), "composites 1: take 2 or more"),
        (AttentionSettings(epochs=0), "epochs 0: take 1 or more"),
        (AttentionSettings(rate=0), "rate 0: take a number above 0"),
    ],
)
def test_invalid_settings_are_refused(
    folder: Path, tmp_path: Path, settings: AttentionSettings, message: str
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        trained(folder, tmp_path, settings)
    assert not (tmp_path / "learned").exists()


def test_a_disk_full_while_regions_are_pooled_is_reported(tmp_path: Path) -> None:
    """The maps and composites fit, the pooled regions do not."""
    message = Run("attention", make_data(tmp_path / "data"), tmp_path / "cache", most=30_000).end()
    assert "the regions to train on cannot be written" in message and "--cache" in message


@pytest.mark.slow
def test_ctrl_c_ends_the_command_with_one_sentence(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench", "train", "attention", str(folder), "--name", "mine"]
    options = ["--backbone", NETWORK, "--size", "128", "--cache", str(tmp_path)]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "learned").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert message == "workbench: stopped; the results stored so far are kept\n" and process.returncode == 130
