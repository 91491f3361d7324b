"""Training of HardNet: its loss by hand, the trained network, its card, invalid photos and settings."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.descriptions import SETTINGS, SIDE, described, files, options, photos, trained
from tests.support.pictures import folder_of
from workbench.cli.main import main
from workbench.collections.folder import open_folder
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.learning.hardnet.loss import false_positives, hardest, loss
from workbench.learning.hardnet.train import train_hardnet
from workbench.learning.trainer import Epoch
from workbench.local.hardnet import HardNet, card, load

FILE = Path("learned") / "mine.safetensors"

pytestmark = pytest.mark.usefixtures("one_thread")


# -- the loss, by hand: unit vectors in the plane, given by their angles in degrees --


def plane(*degrees: float) -> torch.Tensor:
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([angles.cos(), angles.sin()], 1)


def chord(degrees: float) -> float:
    """The distance of two unit vectors at an angle."""
    return 2 * math.sin(math.radians(abs(degrees)) / 2)


def test_the_loss_of_three_pairs_by_hand() -> None:
    """Anchors at 0, 70 and 200 degrees, positives at 10, 100 and 180.

    Angles (one row per anchor): 10 100 180; 60 30 110; 170 100 20. So the nearest wrong positive is at 100,
    60 and 100, by column the nearest wrong anchor at 60, 100 and 110: the harder are 60, 60 and 100.
    """
    anchors, positives = plane(0, 70, 200), plane(10, 100, 180)
    mined = hardest(anchors, positives)
    assert mined.by_row.tolist() == [1, 0, 1] and mined.by_column.tolist() == [1, 0, 1]
    np.testing.assert_allclose(mined.matching, [chord(10), chord(30), chord(20)], atol=1e-9)
    np.testing.assert_allclose(mined.distance, [chord(60), chord(60), chord(100)], atol=1e-9)
    assert mined.from_row.tolist() == [False, True, True]
    # The mismatch of the third pair is farther than its match plus the margin: no loss.
    assert 1 + chord(20) - chord(100) < 0
    expected = (1 + chord(10) - chord(60) + 1 + chord(30) - chord(60)) / 3
    assert float(loss(anchors, positives)) == pytest.approx(expected, abs=1e-9)


def test_swapping_anchors_and_positives_swaps_rows_and_columns() -> None:
    anchors, positives = plane(0, 70, 200, 290), plane(10, 100, 180, 281)
    mined, swapped = hardest(anchors, positives), hardest(positives, anchors)
    assert torch.equal(mined.by_row, swapped.by_column) and torch.equal(mined.by_column, swapped.by_row)
    torch.testing.assert_close(mined.distance, swapped.distance)
    assert float(loss(anchors, positives)) == pytest.approx(float(loss(positives, anchors)))


def test_a_tie_selects_the_positive() -> None:
    mined = hardest(plane(0, 90), plane(0, 90))
    assert mined.from_row.tolist() == [True, True]
    np.testing.assert_allclose(mined.distance, [chord(90)] * 2, atol=1e-9)
    assert float(loss(plane(0, 90), plane(0, 90))) == pytest.approx(0, abs=1e-9)  # √2 is more than 1
    opposite = loss(plane(0, 0), plane(180, 180))  # matches and mismatches at the largest distance
    assert float(opposite) == pytest.approx(1)


def test_near_duplicates_and_overlapping_places_are_excluded_as_negatives() -> None:
    """The distance 0.008 is 0.4584 degrees: a vector at 0.4 counts as the same patch, one at 0.5 does not."""
    anchors = plane(0, 120, 240)
    for degrees, negative in ((0.4, 120 - 10), (0.5, 0.5)):
        mined = hardest(anchors, plane(10, degrees, 250))
        assert float(mined.distance[0]) == pytest.approx(chord(negative), abs=1e-6), degrees
    positives = plane(10, 30, 250)
    assert float(hardest(anchors, positives).distance[0]) == pytest.approx(chord(30))
    overlap = np.zeros((3, 3), bool)
    overlap[0, 1] = overlap[1, 0] = True
    mined = hardest(anchors, positives, torch.from_numpy(overlap))
    # Anchor 0 against positive 2 at 250 (110 degrees); positive 0 (at 10) against anchor 2 at 240 (130).
    assert float(mined.distance[0]) == pytest.approx(chord(110))
    assert mined.by_row[0] == 2 and mined.by_column[0] == 2


def test_without_negatives_the_loss_is_zero() -> None:
    everything = torch.ones(3, 3, dtype=torch.bool)
    assert float(loss(plane(0, 10, 20), plane(180, 190, 200), everything)) == 0
    assert float(loss(plane(0), plane(180))) == 0


def test_a_gradient_step_moves_matches_together_and_mismatches_apart() -> None:
    angles = torch.deg2rad(torch.tensor([0.0, 70.0, 30.0, 100.0])).requires_grad_(True)
    vectors = torch.stack([angles.cos(), angles.sin()], 1)
    before = hardest(vectors[:2], vectors[2:])
    assert before.from_row.tolist() == [False, True]  # both are anchor 1 at 70 and positive 0 at 30
    loss(vectors[:2], vectors[2:]).backward()
    assert angles.grad is not None
    moved = (angles - 0.01 * angles.grad).detach()
    after = torch.stack([moved.cos(), moved.sin()], 1)
    mined = hardest(after[:2], after[2:])
    assert (mined.matching < before.matching).all() and (mined.distance > before.distance).all()


def test_the_gradient_of_equal_patches_is_finite() -> None:
    """The square root has no finite gradient at zero."""
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


def test_nan_distances_give_nan() -> None:
    assert math.isnan(false_positives(np.array([1.0, np.nan]), np.array([2.0, 3.0])))
    assert math.isnan(false_positives(np.array([1.0, 2.0]), np.array([2.0, np.nan])))


# -- training --


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of a finished training."""
    cache = tmp_path_factory.mktemp("finished")
    trained(folder, cache)
    return cache


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """A cache with the places of the photos, so that training starts immediately."""
    shutil.copytree(finished / "places", tmp_path / "prepared" / "places")
    return tmp_path / "prepared"


def test_the_loss_falls_and_held_out_pairs_are_separated(folder: Path, prepared: Path) -> None:
    epochs: list[Epoch] = []
    path = trained(folder, prepared, report=epochs.append, width=8, steps=60, every=20)
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    losses = [epoch.loss or 0.0 for epoch in epochs]
    assert 0 < losses[-1] < losses[0] - 0.1
    shares = [epoch.measures["false_positives"] for epoch in epochs]
    assert shares[-1] < shares[0] < 0.95
    about = card(path)
    assert about["figures"] == [epoch.as_dict() for epoch in epochs]
    assert about["photos"] == 5 and about["unreadable"] == 0 and about["collection"] == folder.name
    assert about["places"] > 100 and about["patches"] >= 2 * about["places"]
    expected = {"width": 8, "steps": 60, "rate": 5e-3, "views": 2, "seed": 0, "size": SIDE, "threads": 1}
    assert expected.items() <= about.items() and about["command"] == "the command"
    assert not path.with_suffix(".training").exists()


def test_the_last_epoch_has_the_remaining_steps(folder: Path, prepared: Path) -> None:
    steps: list[int] = []

    def record(label: str, done: int, total: int) -> None:
        if label.startswith("training"):
            assert total == 5
            steps.append(done)

    path = trained(folder, prepared, progress=record, steps=5, every=3)
    assert steps == [0, 1, 2, 3, 4]
    assert len(card(path)["figures"]) == 2


def test_the_trained_network_describes_keypoints(folder: Path, finished: Path, prepared: Path) -> None:
    (prepared / "learned").mkdir()
    shutil.copy(finished / FILE, prepared / FILE)
    source, keys, lost = described("hardnet:mine", folder, prepared)
    assert not lost and load(prepared / FILE).width == SETTINGS.width
    for _, features in source.read(keys):
        assert len(features) > 20 and features.stored.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(features.descriptors, axis=1), 1, atol=2e-3)
    # A network trained again under the same name has its features in another store.
    assert source.fresh()
    trained(folder, prepared, steps=1)
    assert not source.fresh()
    assert described("hardnet:mine", folder, prepared)[0].store.folder != source.store.folder


def test_stored_places_give_the_same_bytes(folder: Path, finished: Path, prepared: Path) -> None:
    """The run of ``finished`` computed the places, this run reads their files."""
    before = files(prepared / "places")
    assert trained(folder, prepared).read_bytes() == (finished / FILE).read_bytes()
    assert files(prepared / "places") == before


def test_a_wider_network_resumes_to_the_same_bytes(folder: Path, prepared: Path) -> None:
    """At this width, layers use another memory format, which a checkpoint must keep."""

    def stop(label: str, done: int, total: int) -> None:
        if done == 9 and label.startswith("training"):
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(folder, prepared, "resumed", progress=stop, width=16)
    expected = trained(folder, prepared, "whole", width=16)
    assert trained(folder, prepared, "resumed", width=16).read_bytes() == expected.read_bytes()


# -- invalid photos and settings --


@pytest.mark.parametrize(
    ("changed", "message"),
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
def test_invalid_settings_are_refused(
    folder: Path, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        trained(folder, tmp_path, **changed)
    assert not files(tmp_path)


def test_divergence_in_a_single_step_is_reported(folder: Path, prepared: Path) -> None:
    """The loss is that of the untrained network: only the validation detects the divergence."""
    with pytest.raises(WorkbenchError, match=r"diverged in epoch 1: take a smaller rate than 1e\+30"):
        trained(folder, prepared, rate=1e30, steps=1, every=1)
    assert not (prepared / FILE).exists()


@pytest.mark.parametrize("count", [1, 3])
def test_photos_without_keypoints_are_refused(tmp_path: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (160, 120), (50 * number, 90, 90)).save(tmp_path / f"{number}.png")
    with pytest.raises(WorkbenchError, match=r"no keypoint of any photo was found again.*nothing to learn"):
        trained(tmp_path, tmp_path / "cache")


def test_too_few_photos_are_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("coffee.png", "coins.png"):
        shutil.copy(folder / name, tmp_path / name)
    Image.new("RGB", (160, 120)).save(tmp_path / "black.png")
    with pytest.raises(WorkbenchError, match=r"^2 photos have 8 places .*too few.*take more photos"):
        trained(tmp_path, tmp_path / "cache")
    shutil.copy(folder / "astronaut.png", tmp_path / "astronaut.png")
    assert trained(tmp_path, tmp_path / "cache", steps=1).is_file()


@pytest.mark.parametrize("seed", range(4))
def test_a_photo_without_places_may_be_held_out(folder: Path, tmp_path: Path, seed: int) -> None:
    """For any of four photos held out, one of which is black, three are left for training."""
    for name in ("coffee.png", "coins.png", "astronaut.png"):
        shutil.copy(folder / name, tmp_path / name)
    Image.new("RGB", (160, 120)).save(tmp_path / "black.png")
    seeded = replace(options(tmp_path / "cache"), seed=seed)
    path = train_hardnet(open_folder(tmp_path), seeded, "x", replace(SETTINGS, steps=1, each=2))
    assert len(card(path)["figures"]) == 1


def damage(path: Path) -> None:
    """Damage that only decoding detects."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xff\xd8" * ((len(data) // 2 - len(data) // 3) // 2)
    path.write_bytes(bytes(data) + b"\xff\xd9")


def test_unreadable_photos_are_excluded_and_counted(
    folder: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_damaged = tmp_path / "photos"
    shutil.copytree(folder, with_damaged)
    shutil.copy(folder_of(tmp_path / "more", 1) / "000.jpg", with_damaged / "damaged.jpg")
    damage(with_damaged / "damaged.jpg")
    assert len(open_folder(with_damaged).images) == 6  # not detected when the folder is opened
    about, expected = card(trained(with_damaged, tmp_path / "cache")), card(finished / FILE)
    assert (about["photos"], about["unreadable"]) == (5, 1)
    assert about["figures"] == expected["figures"]
    command = [
        "train",
        "hardnet",
        str(with_damaged),
        "--name",
        "x",
        "--cache",
        str(tmp_path / "c"),
        "--size",
        "160",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--width", "2", "--steps", "1", "--views", "2"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    path = tmp_path / "c" / "learned" / "x.safetensors"
    assert out == f"written to {path}; use it as hardnet:x/bow:4096/whole\n"
    assert "note: 1 photos could not be read and are left out" in err
    assert "epoch 1: loss" in err and "% false positives at 95 % recall" in err


def test_photos_that_are_all_unreadable_are_refused(tmp_path: Path) -> None:
    for path in sorted(folder_of(tmp_path / "photos", 3).iterdir()):
        damage(path)
    with pytest.raises(WorkbenchError, match="'photos' has no photo that can be read"):
        trained(tmp_path / "photos", tmp_path / "cache")


def test_the_command_reports_invalid_settings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options_of_case, message in (
        (["--rate", "-1"], "rate -1: take a number above 0"),
        (["--steps", "0"], "steps 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["train", "hardnet", str(folder), "--name", "x", "--cache", str(tmp_path), *options_of_case])
        assert ended.value.code
        out, err = capsys.readouterr()
        assert not out and message in err and "Traceback" not in err


def test_the_card_of_a_file_without_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    assert card(tmp_path / "x.safetensors") == {} and card(tmp_path / "nowhere") == {}
    torch.save(HardNet(2).state_dict(), tmp_path / "x.pth")
    assert card(tmp_path / "x.pth") == {}
