"""Training of attention that is broken off, or cannot be: killed, cancelled, on bad photos, a full disk."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.attending import CONTEXT, QUICK, collection_of, options_in, same, trained
from tests.extracting import NETWORK
from tests.pictures import folder_of
from workbench.config import Config, WorkbenchError
from workbench.descriptors.attention import learned
from workbench.features.maps import MapSource
from workbench.learning.attention.data import Lesson
from workbench.learning.attention.train import Settings, train
from workbench.progress import Cancelled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12)


def test_cancelled_and_continued_is_the_same(folder: Path, tmp_path: Path) -> None:
    undisturbed = trained(folder, tmp_path / "a")

    def stop_in_the_second_epoch(what: str, done: int, total: int) -> None:
        if what == "training, epoch 2 of 3" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, tmp_path / "b", progress=stop_in_the_second_epoch)
    assert not learned(tmp_path / "b", "mine").exists()
    seen: list[str] = []
    again = trained(folder, tmp_path / "b", progress=lambda what, done, total: seen.append(what))
    assert "training, epoch 1 of 3" not in seen and "training, epoch 2 of 3" in seen
    assert same(again, undisturbed) and again.about["figures"] == undisturbed.about["figures"]


def _run(folder: Path, cache: Path) -> None:
    trained(folder, cache)


@pytest.mark.slow
def test_killed_and_continued_is_the_same(folder: Path, tmp_path: Path) -> None:
    undisturbed = trained(folder, tmp_path / "a")
    checkpoint = tmp_path / "b" / "learned" / "mine.training" / "checkpoint.safetensors"
    for sign in (checkpoint.parent / "composites" / "000005.jpg", checkpoint):
        process = CONTEXT.Process(target=_run, args=(folder, tmp_path / "b"))
        process.start()
        until = time.monotonic() + 120
        while not sign.exists() and process.is_alive() and time.monotonic() < until:
            time.sleep(0.002)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
    assert same(trained(folder, tmp_path / "b"), undisturbed)


def test_other_settings_begin_anew(folder: Path, tmp_path: Path) -> None:
    expected = trained(folder, tmp_path / "a", replace(QUICK, rate=1e-2))

    def stop(what: str, done: int, total: int) -> None:
        if what == "training, epoch 3 of 3":
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, tmp_path / "b", progress=stop)
    assert same(trained(folder, tmp_path / "b", replace(QUICK, rate=1e-2)), expected)


def test_a_damaged_checkpoint_is_left_behind(folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "learned" / "mine.training" / "checkpoint.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"\x80\x04 something else")
    assert same(trained(folder, tmp_path), trained(folder, tmp_path / "other"))


@pytest.mark.parametrize(("count", "said"), [(1, "has 1 readable photos, too few"), (3, "3 readable")])
def test_too_few_photos(tmp_path: Path, count: int, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        trained(folder_of(tmp_path / "photos", count), tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(WorkbenchError, match="no image"):
        trained(tmp_path / "photos", tmp_path)


def test_a_damaged_photo_is_left_out(folder: Path, tmp_path: Path) -> None:
    """Damage that only decoding finds: training goes on as if the photo were not there, and counts it."""
    sound, photos = trained(folder, tmp_path / "a"), tmp_path / "photos"
    shutil.copytree(folder, photos, ignore=shutil.ignore_patterns(".cache"))
    data = bytearray((photos / "003.jpg").read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xff\xd8" * (len(data) // 2 - len(data) // 3)
    (photos / "damaged.jpg").write_bytes(data[: len(data) - 2] + b"\xff\xd9")
    assert len(collection_of(photos).images) == 13  # opening did not see it
    found = trained(photos, tmp_path / "b")
    assert found.about["photos"] == 12 and found.about["unreadable"] == 1
    assert same(found, sound)


def test_damage_that_leaves_too_few(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 4)
    collection = collection_of(photos)
    (photos / "003.jpg").write_bytes(b"no picture")
    with pytest.raises(WorkbenchError, match="has 3 readable photos, too few"):
        train(collection, options_in(tmp_path), "mine", NETWORK, QUICK)


def test_classes_are_known_of_photos_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    """An unreadable photo must not shift the classes that come after its own."""
    collection = collection_of(folder).without([("003.jpg", "damaged")])
    source = MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options_in(tmp_path))
    photos = list(collection.images)
    lesson = Lesson(collection, source, torch.nn.Linear(96, 12), photos, NETWORK)
    assert lesson.classes().tolist() == [0, 1, 2, *range(4, 12)]


def test_a_photo_that_vanishes(folder: Path, tmp_path: Path) -> None:
    """While composites are made, after its map was stored: one sentence names it."""
    photos = folder_of(tmp_path / "photos", 5)

    def remove(what: str, done: int, total: int) -> None:
        if what == "decoding photos" and done == 2:
            (photos / "003.jpg").unlink()

    with pytest.raises(WorkbenchError, match=r"photo '003\.jpg' cannot be used: the file is missing"):
        trained(photos, tmp_path, progress=remove)


def test_labels_that_are_not_the_classifiers(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"has 12 labels, but the classifier knows 1000 classes"):
        trained(folder, tmp_path, replace(QUICK, targets="labels"))


@pytest.mark.parametrize(
    ("backbone", "name", "said"),
    [
        ("vgg16@random", "mine", "no classifier of one linear layer"),
        (NETWORK, "No Name", "small letters"),
        ("nothing", "mine", "'nothing' is not known"),
    ],
)
def test_what_cannot_be_trained(folder: Path, tmp_path: Path, backbone: str, name: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        train(collection_of(folder), options_in(tmp_path), name, backbone, QUICK)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(WorkbenchError, match="'words' are not known; valid: labels, predictions"):
        Settings(targets="words")
    with pytest.raises(WorkbenchError, match="0 composites"):
        Settings(composites=0)


def _run_with_little_disk(folder: Path, cache: Path, most: int, news: object) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # writing more is an error, as on a full disk
    error = ""
    try:
        trained(folder, cache)
    except WorkbenchError as caught:
        error = str(caught)
    news.send(error)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "said"), [(1_000, "the store .* cannot be written"), (100_000, "cannot be written .* free some")]
)
def test_a_full_disk(folder: Path, tmp_path: Path, most: int, said: str) -> None:
    """At the first map, and at the regions; the next run goes on with what is there."""
    news, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run_with_little_disk, args=(folder, tmp_path / "b", most, theirs))
    process.start()
    assert news.poll(120)
    error = news.recv()
    process.join(60)
    assert re.search(said, error)
    assert same(trained(folder, tmp_path / "b"), trained(folder, tmp_path / "a"))


@pytest.mark.slow
def test_ctrl_c_is_answered_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "train", "attention", str(folder), "--name", "mine"]
    options = ["--backbone", NETWORK, "--size", "128", "--cache", str(tmp_path)]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not (tmp_path / "learned").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said == "workbench: stopped; what is stored so far is kept\n" and process.returncode == 130
