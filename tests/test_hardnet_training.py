"""Training of HardNet: its loss by hand, what comes of it, and going on to the same bytes after any break."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.describing import SETTINGS, SIDE, Run, described, files, options, photos, trained
from tests.pictures import folder_of
from workbench.cli import main
from workbench.collections.folder import open_folder
from workbench.config import WorkbenchError
from workbench.learning.hardnet.loss import false_positives, hardest, loss
from workbench.learning.hardnet.train import Epoch, train
from workbench.local.hardnet import HardNet, card, load
from workbench.progress import Cancelled

KEPT = Path("learned") / "mine.safetensors"
CHECKPOINT = Path("learned") / "mine.training" / "checkpoint.safetensors"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As in the processes that results are compared with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# -- the loss, by hand: unit vectors in the plane, given by their angles in degrees --


def plane(*degrees: float) -> torch.Tensor:
    turns = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([turns.cos(), turns.sin()], 1)


def chord(degrees: float) -> float:
    """How far apart two unit vectors are that so many degrees lie between."""
    return 2 * math.sin(math.radians(abs(degrees)) / 2)


def test_the_loss_of_three_pairs_by_hand() -> None:
    """Anchors at 0, 70 and 200 degrees, positives at 10, 100 and 180.

    Between (rows anchors): 10 100 180; 60 30 110; 170 100 20. So the nearest wrong positive is 100, 60 and
    100 away, by column the nearest wrong anchor 60, 100 and 110: the harder are 60, 60 and 100.
    """
    anchors, positives = plane(0, 70, 200), plane(10, 100, 180)
    found = hardest(anchors, positives)
    assert found.by_row.tolist() == [1, 0, 1] and found.by_column.tolist() == [1, 0, 1]
    np.testing.assert_allclose(found.matching, [chord(10), chord(30), chord(20)], atol=1e-9)
    np.testing.assert_allclose(found.distance, [chord(60), chord(60), chord(100)], atol=1e-9)
    assert found.from_row.tolist() == [False, True, True]
    # The third pair's mismatch is farther than the margin and its match together: no loss.
    assert 1 + chord(20) - chord(100) < 0
    expected = (1 + chord(10) - chord(60) + 1 + chord(30) - chord(60)) / 3
    assert float(loss(anchors, positives)) == pytest.approx(expected, abs=1e-9)


def test_columns_and_rows_change_places_with_anchors_and_positives() -> None:
    anchors, positives = plane(0, 70, 200, 290), plane(10, 100, 180, 281)
    one, other = hardest(anchors, positives), hardest(positives, anchors)
    assert torch.equal(one.by_row, other.by_column) and torch.equal(one.by_column, other.by_row)
    torch.testing.assert_close(one.distance, other.distance)
    assert float(loss(anchors, positives)) == pytest.approx(float(loss(positives, anchors)))


def test_of_equals_the_positive_is_taken() -> None:
    found = hardest(plane(0, 90), plane(0, 90))
    assert found.from_row.tolist() == [True, True]
    np.testing.assert_allclose(found.distance, [chord(90)] * 2, atol=1e-9)
    assert float(loss(plane(0, 90), plane(0, 90))) == pytest.approx(0, abs=1e-9)  # √2 is more than 1
    nowhere = loss(plane(0, 0), plane(180, 180))  # a match as far as can be, and mismatches no nearer
    assert float(nowhere) == pytest.approx(1)


def test_near_duplicates_and_overlapping_places_are_no_negatives() -> None:
    """0.008 is 0.4584 degrees: one at 0.4 is the same patch, one at 0.5 another."""
    anchors = plane(0, 120, 240)
    for degrees, negative in ((0.4, 120 - 10), (0.5, 0.5)):
        found = hardest(anchors, plane(10, degrees, 250))
        assert float(found.distance[0]) == pytest.approx(chord(negative), abs=1e-6), degrees
    positives = plane(10, 30, 250)
    assert float(hardest(anchors, positives).distance[0]) == pytest.approx(chord(30))
    overlap = np.zeros((3, 3), bool)
    overlap[0, 1] = overlap[1, 0] = True
    found = hardest(anchors, positives, torch.from_numpy(overlap))
    # Anchor 0 against positive 2 at 250 (110 degrees); positive 0 (at 10) against anchor 2 at 240 (130).
    assert float(found.distance[0]) == pytest.approx(chord(110))
    assert found.by_row[0] == 2 and found.by_column[0] == 2


def test_without_any_negative_there_is_no_loss() -> None:
    everything = torch.ones(3, 3, dtype=torch.bool)
    assert float(loss(plane(0, 10, 20), plane(180, 190, 200), everything)) == 0
    assert float(loss(plane(0), plane(180))) == 0


def test_a_step_down_the_gradient_brings_matches_nearer_and_mismatches_apart() -> None:
    turns = torch.deg2rad(torch.tensor([0.0, 70.0, 30.0, 100.0])).requires_grad_(True)
    vectors = torch.stack([turns.cos(), turns.sin()], 1)
    before = hardest(vectors[:2], vectors[2:])
    assert before.from_row.tolist() == [False, True]  # both by anchor 1 at 70 and positive 0 at 30
    loss(vectors[:2], vectors[2:]).backward()
    assert turns.grad is not None
    moved = (turns - 0.01 * turns.grad).detach()
    after = torch.stack([moved.cos(), moved.sin()], 1)
    now = hardest(after[:2], after[2:])
    assert (now.matching < before.matching).all() and (now.distance > before.distance).all()


def test_the_gradient_of_patches_that_are_the_same_is_finite() -> None:
    """The root has none at nought."""
    vectors = plane(0, 120, 240).requires_grad_(True)
    loss(vectors, vectors).backward()
    assert vectors.grad is not None and bool(vectors.grad.isfinite().all())


def test_false_positives_at_95_percent_recall_by_hand() -> None:
    matching = np.arange(1, 21) / 10  # the 19th of 20 is 1.9
    assert false_positives(matching[::-1], np.array([1.0, 1.9, 1.91, 5.0])) == 0.5
    assert false_positives(matching, np.array([2.0, 3.0])) == 0
    assert false_positives(matching, np.array([0.1, 1.8])) == 1
    assert false_positives(np.arange(100.0), np.array([93.9, 94.0, 94.1, 95.0])) == 0.5
    assert false_positives(np.array([3.0]), np.array([2.0, 4.0])) == 0.5
    assert false_positives(matching, np.array([1.9, 3, 4]), recall=1) == pytest.approx(1 / 3)


def test_distances_that_are_no_numbers_are_not_taken_for_a_perfect_result() -> None:
    assert math.isnan(false_positives(np.array([1.0, np.nan]), np.array([2.0, 3.0])))
    assert math.isnan(false_positives(np.array([1.0, 2.0]), np.array([2.0, np.nan])))


# -- what comes of it --


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a training that nothing disturbed."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert Run(folder, cache).end() == ""
    return cache


@pytest.fixture
def ready(undisturbed: Path, tmp_path: Path) -> Path:
    """A cache with the places of the photos, so that training begins at once."""
    shutil.copytree(undisturbed / "places", tmp_path / "ready" / "places")
    return tmp_path / "ready"


def test_the_loss_falls_and_what_is_held_out_is_told_apart(folder: Path, ready: Path) -> None:
    heard: list[Epoch] = []
    path = trained(folder, ready, report=heard.append, width=8, steps=60, every=20)
    assert [epoch.number for epoch in heard] == [1, 2, 3]
    assert heard[-1].loss < heard[0].loss - 0.1
    assert heard[-1].false_positives < heard[0].false_positives < 0.95
    about = card(path)
    assert about["figures"] == [
        {"number": e.number, "loss": e.loss, "false_positives": e.false_positives} for e in heard
    ]
    assert about["photos"] == 5 and about["unreadable"] == 0 and about["collection"] == folder.name
    assert about["places"] > 100 and about["patches"] >= 2 * about["places"]
    told = {"width": 8, "steps": 60, "rate": 5e-3, "views": 2, "seed": 0, "size": SIDE, "threads": 1}
    assert told.items() <= about.items() and about["command"] == "the command"
    assert not path.with_suffix(".training").exists()


def test_the_last_steps_are_fewer_where_they_do_not_divide(folder: Path, ready: Path) -> None:
    asked: list[int] = []

    def listen(what: str, done: int, total: int) -> None:
        if what.startswith("training"):
            assert total == 5
            asked.append(done)

    path = trained(folder, ready, progress=listen, steps=5, every=3)
    assert asked == [0, 1, 2, 3, 4]
    assert len(card(path)["figures"]) == 2


def test_what_was_trained_describes_keypoints(folder: Path, undisturbed: Path, ready: Path) -> None:
    (ready / "learned").mkdir()
    shutil.copy(undisturbed / KEPT, ready / KEPT)
    source, keys, lost = described("hardnet:mine", folder, ready)
    assert not lost and load(ready / KEPT).width == SETTINGS.width
    for _, one in source.read(keys):
        assert len(one) > 20 and one.stored.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(one.descriptors, axis=1), 1, atol=2e-3)
    # Trained anew under its name, it is another, and what it describes lies apart.
    assert source.fresh()
    trained(folder, ready, steps=1)
    assert not source.fresh()
    assert described("hardnet:mine", folder, ready)[0].store.folder != source.store.folder


@pytest.mark.parametrize("changed", [{"rate": 1e-3}, {"steps": 11}, {"each": 9}])
def test_other_settings_give_another_network(
    folder: Path, undisturbed: Path, ready: Path, changed: dict[str, Any]
) -> None:
    """Even where a training with the first waits."""

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("training HardNet, step 9"):
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, ready, progress=stop)
    first = "features.0.weight"
    found = load(trained(folder, ready, **changed)).state_dict()[first]
    assert not torch.equal(found, load(undisturbed / KEPT).state_dict()[first])


# -- broken off --


def test_the_same_call_gives_the_same_bytes(folder: Path, undisturbed: Path, ready: Path) -> None:
    """Places are read from their files this time."""
    assert trained(folder, ready).read_bytes() == (undisturbed / KEPT).read_bytes()


@pytest.mark.parametrize(
    ("moment", "width"),
    [
        ("checking photos", 4),
        ("looking for places", 4),
        ("training HardNet, step 9", 4),
        ("training HardNet, step 9", 16),
    ],
)
def test_cancelled_it_goes_on_to_the_same_bytes(
    folder: Path, undisturbed: Path, tmp_path: Path, moment: str, width: int
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what.startswith(moment) and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, tmp_path, progress=stop, width=width)
    assert not (tmp_path / KEPT).exists()
    assert (tmp_path / CHECKPOINT).is_file() == (moment[-1] == "9")
    heard: list[int] = []
    asked: list[str] = []
    again = trained(
        folder,
        tmp_path,
        progress=lambda what, *_: asked.append(what),
        report=lambda epoch: heard.append(epoch.number),
        width=width,
    )
    assert heard == [1, 2, 3]
    steps = [what for what in asked if what.startswith("training")]
    assert len(steps) == (4 if moment[-1] == "9" else 12)  # from the last checkpoint, after 8
    if width == SETTINGS.width:
        assert again.read_bytes() == (undisturbed / KEPT).read_bytes()
    else:
        shutil.copytree(tmp_path / "places", tmp_path / "other" / "places")
        other = trained(folder, tmp_path / "other", width=width)
        assert again.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_killed_at_random_moments(folder: Path, undisturbed: Path, tmp_path: Path) -> None:
    chance, kills, midway = random.Random(2), 0, set[str]()
    while kills < 8 or len(midway) < 2:
        run = Run(folder, tmp_path)
        run.reached("begun")
        if chance.random() < 0.5:
            run.reached(chance.randint(1, 3))
            time.sleep(chance.uniform(0, 0.05))
        else:
            time.sleep(chance.uniform(0, 1.5))
        if not run.kill():
            assert (tmp_path / KEPT).read_bytes() == (undisturbed / KEPT).read_bytes()
            shutil.rmtree(tmp_path / "learned")
            shutil.rmtree(tmp_path / "places")
            continue
        kills += 1
        assert kills < 60, "training makes no progress between kills"
        midway |= {"places"} if (tmp_path / "places").is_dir() else set()
        midway |= {"checkpoint"} if (tmp_path / CHECKPOINT).is_file() else set()
    assert Run(folder, tmp_path).end() == ""
    assert (tmp_path / KEPT).read_bytes() == (undisturbed / KEPT).read_bytes()
    kept = files(tmp_path / "places")
    assert {name: kept[name] for name in files(undisturbed / "places")} == files(undisturbed / "places")


@pytest.mark.slow
def test_the_command_killed_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """The file keeps the command, so that it must be the same; the first run of all is not disturbed."""
    command = [sys.executable, "-m", "workbench.cli", "train", "hardnet", str(folder), "--name", "mine"]
    command += ["--size", str(SIDE), "--width", "2", "--steps", "101", "--views", "2", "--cache", "cache"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = []
    for place in (tmp_path / "a", tmp_path / "b"):
        place.mkdir()
        if place.name == "b":
            process = subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 120
            while not (place / "cache" / CHECKPOINT).exists() and time.monotonic() < until:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
            assert not (place / "cache" / KEPT).exists()
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"written to cache/{KEPT}; use it as hardnet:mine/bow:4096/whole\n"
        assert [line[:7] for line in done.stderr.splitlines() if line.startswith("epoch")] == [
            "epoch 1", "epoch 2"
        ]  # fmt: skip
        found.append((place / "cache" / KEPT).read_bytes())
    assert found[0] == found[1]
    assert "train hardnet" in card(tmp_path / "a" / "cache" / KEPT)["command"]


def test_two_at_a_time_are_refused(folder: Path, ready: Path) -> None:
    run = Run(folder, ready)
    run.reached(1)
    os.kill(run.process.pid or 0, signal.SIGSTOP)
    try:
        with pytest.raises(WorkbenchError, match="'mine' is being trained by another process"):
            trained(folder, ready)
    finally:
        run.kill()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x10\0\0\0\0\0\0\0{}"])
def test_a_damaged_checkpoint_is_begun_anew(
    folder: Path, undisturbed: Path, ready: Path, content: bytes
) -> None:
    (ready / CHECKPOINT).parent.mkdir(parents=True)
    (ready / CHECKPOINT).write_bytes(content)
    assert trained(folder, ready).read_bytes() == (undisturbed / KEPT).read_bytes()


# -- what cannot be --


@pytest.mark.parametrize("most", [5_000, 200_000])
def test_a_full_disk_is_said_and_the_next_run_goes_on(
    folder: Path, undisturbed: Path, tmp_path: Path, most: int
) -> None:
    """At the first places, and at the checkpoint."""
    said = Run(folder, tmp_path, most=most).end()
    assert "cannot be written" in said and "--cache" in said and "\n" not in said
    assert not [name for name in files(tmp_path) if name.endswith(".part")]
    assert Run(folder, tmp_path).end() == ""
    assert (tmp_path / KEPT).read_bytes() == (undisturbed / KEPT).read_bytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "../mine"}, "small letters"),
        ({"width": 0}, "width 0: take 1 or more"),
        ({"steps": 0}, "steps 0: take 1 or more"),
        ({"views": 0}, "views 0: take 1 or more"),
        ({"every": -1}, "every -1: take 1 or more"),
        ({"at_once": 1}, "at_once 1: take 2 or more"),
        ({"each": 1}, "each 1: take 2 or more"),
        ({"rate": 0.0}, "rate 0: take a number above 0"),
        ({"rate": -1e-3}, "rate -0.001: take a number above 0"),
        ({"rate": float("nan")}, "rate nan: take a number above 0"),
    ],
)
def test_settings_that_cannot_be(folder: Path, tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        trained(folder, tmp_path, **changed)
    assert not files(tmp_path)


@pytest.mark.parametrize("steps", [1, 12])
def test_a_rate_at_which_it_diverges_is_said(folder: Path, ready: Path, steps: int) -> None:
    """After a single step it shows in nothing but the validation."""
    with pytest.raises(WorkbenchError, match=r"diverged at step \d+: take a smaller rate than 1e\+30"):
        trained(folder, ready, rate=1e30, steps=steps, every=steps)
    assert not (ready / KEPT).exists()


@pytest.mark.parametrize("count", [1, 3])
def test_photos_of_one_colour_are_said(tmp_path: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (160, 120), (50 * number, 90, 90)).save(tmp_path / f"{number}.png")
    with pytest.raises(WorkbenchError, match=r"no keypoint of any photo was found again.*nothing to learn"):
        trained(tmp_path, tmp_path / "cache")


def test_too_few_photos_are_said(folder: Path, tmp_path: Path) -> None:
    for name in ("coffee.png", "coins.png"):
        shutil.copy(folder / name, tmp_path / name)
    Image.new("RGB", (160, 120)).save(tmp_path / "black.png")
    with pytest.raises(WorkbenchError, match=r"^2 photos have 8 places .*too few.*take more photos"):
        trained(tmp_path, tmp_path / "cache")
    shutil.copy(folder / "astronaut.png", tmp_path / "astronaut.png")
    assert trained(tmp_path, tmp_path / "cache", steps=1).is_file()


@pytest.mark.parametrize("seed", range(4))
def test_a_dull_photo_that_is_drawn_to_be_held_out_does_not_end_it(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    """Whichever of four photos the seed holds out, one of them dull: three are left to train and validate."""
    for name in ("coffee.png", "coins.png", "astronaut.png"):
        shutil.copy(folder / name, tmp_path / name)
    Image.new("RGB", (160, 120)).save(tmp_path / "black.png")
    wanted = options(tmp_path / "cache")
    settings = replace(SETTINGS, steps=1, each=2)
    path = train(open_folder(tmp_path), replace(wanted, seed=seed), "x", settings)
    assert len(card(path)["figures"]) == 1


def test_unreadable_photos_are_left_out_and_counted(
    folder: Path, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage that only decoding tells: the rest trains as if the photo were not there."""
    bad = tmp_path / "photos"
    shutil.copytree(folder, bad)
    data = bytearray((folder_of(tmp_path / "more", 1) / "000.jpg").read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xff\xd8" * ((len(data) // 2 - len(data) // 3) // 2)
    (bad / "damaged.jpg").write_bytes(bytes(data) + b"\xff\xd9")
    assert len(open_folder(bad).images) == 6  # opening did not see it
    path = trained(bad, tmp_path / "cache")
    about, sound = card(path), card(undisturbed / KEPT)
    assert (about["photos"], about["unreadable"]) == (5, 1)
    assert about["figures"] == sound["figures"]
    command = ["train", "hardnet", str(bad), "--name", "x", "--cache", str(tmp_path / "c"), "--size", "160"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--width", "2", "--steps", "1", "--views", "2"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    place = tmp_path / "c" / "learned" / "x.safetensors"
    assert out == f"written to {place}; use it as hardnet:x/bow:4096/whole\n"
    assert "note: 1 photos could not be read and are left out" in err
    assert "epoch 1: loss" in err and "% false positives at 95 % recall" in err


def test_photos_none_of_which_can_be_read_are_said(tmp_path: Path) -> None:
    for path in sorted(folder_of(tmp_path / "photos", 3).iterdir()):
        data = bytearray(path.read_bytes())
        data[len(data) // 3 : len(data) // 2] = b"\xff\xd8" * ((len(data) // 2 - len(data) // 3) // 2)
        path.write_bytes(bytes(data) + b"\xff\xd9")
    with pytest.raises(WorkbenchError, match="'photos' has no photo that can be read"):
        trained(tmp_path / "photos", tmp_path / "cache")


def test_the_command_says_what_cannot_be_in_a_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, said in ((["--rate", "-1"], "rate -1: take a number above 0"), (["--steps", "0"], "steps 0")):
        with pytest.raises(SystemExit) as ended:
            main(["train", "hardnet", str(folder), "--name", "x", "--cache", str(tmp_path), *more])
        assert ended.value.code
        out, err = capsys.readouterr()
        assert not out and said in err and "Traceback" not in err


def test_a_card_is_nothing_of_files_that_have_none(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    assert card(tmp_path / "x.safetensors") == {} and card(tmp_path / "nowhere") == {}
    torch.save(HardNet(2).state_dict(), tmp_path / "x.pth")
    assert card(tmp_path / "x.pth") == {}
