"""Places seen several times: geometry by hand, views where the homography says, files taken up, batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from tests.things import thing
from workbench.config import WorkbenchError
from workbench.learning.places import Places, collect
from workbench.progress import Cancelled

SIDE, VIEWS = 160, 2


def same(one: Places, other: Places) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("patches", "starts", "photo", "at")
    )


# -- many photos, a file each --


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "coins", "chelsea"):
        thing(name).resize((SIDE, 120)).save(folder / f"{name}.png")
    Image.new("RGB", (SIDE, 120), "grey").save(folder / "aaa.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def made(paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Places]:
    folder = tmp_path_factory.mktemp("places") / "x"
    return folder, collect(paths, VIEWS, SIDE, 0, folder)


def test_what_is_kept_is_what_was_made(paths: list[Path], made: tuple[Path, Places]) -> None:
    folder, places = made
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == [f"{number:06}.safetensors" for number in range(5)]
    again = collect(paths, VIEWS, SIDE, 0, folder)
    assert same(again, places)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert (again.at[:, :2] > -1).all() and (again.at[:, :2] < SIDE).all()
    assert not same(collect(paths, VIEWS, SIDE, 1, folder.with_name("other seed")), places)


def test_places_stand_by_photo(made: tuple[Path, Places]) -> None:
    _, places = made
    count = len(places.photo)
    assert count > 40 and places.at.shape == (count, 3) and len(places.starts) == count + 1
    assert places.patches.shape == (places.starts[-1], 32, 32)
    several = np.diff(places.starts)
    assert several.min() >= 2 and several.max() == VIEWS + 1
    assert set(places.photo) == {1, 2, 3, 4}  # the first, of one colour, has none
    rows = places.of(np.array([3, 0, 1]))
    np.testing.assert_array_equal(rows[0], np.flatnonzero(places.photo == 3))
    assert len(rows[1]) == 0 and rows[2][0] == 0


def test_broken_off_and_taken_up_is_the_same(
    paths: list[Path], made: tuple[Path, Places], tmp_path: Path
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        assert (what, total) == ("looking for places", 5)
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        collect(paths, VIEWS, SIDE, 0, tmp_path / "x", stop)
    assert len(list((tmp_path / "x").iterdir())) >= 3
    assert same(collect(paths, VIEWS, SIDE, 0, tmp_path / "x"), made[1])


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other tensors", "patches gone", "scalar"])
def test_a_damaged_file_is_made_anew(
    paths: list[Path], made: tuple[Path, Places], tmp_path: Path, damage: str
) -> None:
    folder, places = made
    path, whole = folder / "000002.safetensors", (folder / "000002.safetensors").read_bytes()
    zeros = {"counts": np.array([2, 2]), "keypoints": np.zeros((2, 3), np.float32)}
    if damage == "other tensors":
        save_file({"maps": np.zeros(3)}, path)
    elif damage == "patches gone":
        save_file({**zeros, "patches": np.zeros((3, 32, 32), np.uint8)}, path)
    elif damage == "scalar":
        save_file({**zeros, "counts": np.array(4), "patches": np.zeros((4, 32, 32), np.uint8)}, path)
    else:
        path.write_bytes({"truncated": whole[:-9], "empty": b"", "text": b"no places at all"}[damage])
    assert same(collect(paths, VIEWS, SIDE, 0, folder), places)
    assert path.read_bytes() == whole


def test_nothing_found_again_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    with pytest.raises(WorkbenchError, match="no keypoint of any photo was found again"):
        collect([tmp_path / "white.png"], VIEWS, SIDE, 0, tmp_path / "x")
    with pytest.raises(WorkbenchError, match="no keypoint of any photo was found again"):
        collect([], VIEWS, SIDE, 0, tmp_path / "x")


def test_a_photo_that_vanishes_is_named(paths: list[Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    with pytest.raises(WorkbenchError, match=r"photo '.*gone\.png' cannot be used: the file is missing"):
        collect([paths[1], gone], VIEWS, SIDE, 0, tmp_path / "x")
