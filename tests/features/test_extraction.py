"""Extraction that is killed, cancelled, run twice at once, or out of disk space leaves a correct store."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image

from tests.support.extraction import Run, pictures, source, stored
from tests.support.pictures import folder_of, picture
from workbench.collections.images import read_header
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.features import extraction
from workbench.features.batches import item
from workbench.features.map_source import MapSource, Picture

SHAPES = ((128, 96), (96, 128), (120, 120), (128, 64), (64, 128), (100, 40))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 pictures of six shapes, and two that cannot be read."""
    folder = folder_of(tmp_path_factory.mktemp("photos"), 150, SHAPES)
    (folder / "007.jpg").unlink()
    picture(7, SHAPES[1]).save(folder / "007.png")
    damaged = bytearray((folder / "007.png").read_bytes())
    damaged[5000:5100] = bytes(100)  # begins and ends well, so that only decoding tells
    (folder / "007.png").write_bytes(damaged)
    (folder / "013.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The content of the store after an undisturbed run."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert Run(photos, cache).end()[1] == ""
    # 25 pictures of each of six shapes, eight a file, less the empty picture
    assert len(stored(cache)) == 5 * 4 + 3
    return stored(cache)


@pytest.mark.slow
def test_killed_at_random_moments(photos: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Most kills come shortly after something was stored, some before; a run that ends is started again."""
    chance, cache, kills, midway, pause = random.Random(1), tmp_path, 0, 0, 0.1
    while kills < 12 or midway < 8:
        before = len(stored(cache))
        run = Run(photos, cache)
        run.begun()
        begun = time.monotonic()
        if chance.random() < 0.8:
            while run.process.is_alive() and len(stored(cache)) <= before:
                time.sleep(0.001)
            pause = time.monotonic() - begun
        time.sleep(chance.uniform(0, pause))
        run.process.kill()
        run.process.join()
        if run.process.exitcode == 0:
            assert stored(cache) == undisturbed
            shutil.rmtree(cache / "maps")
            continue
        kills += 1
        assert kills < 60, "extraction makes no progress between kills"
        left = {name: data for name, data in stored(cache).items() if not name.endswith(".part")}
        other = [n for n, data in left.items() if undisturbed.get(n) != data]
        assert not other, [(n, n in undisturbed, left[n][:900], undisturbed.get(n, b"")[:900]) for n in other]
        midway += 0 < len(left) < len(undisturbed)
    assert Run(photos, cache).end()[1] == ""
    assert stored(cache) == undisturbed


def test_two_processes_at_once(photos: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    runs = [Run(photos, tmp_path), Run(photos, tmp_path)]
    assert [run.end()[1] for run in runs] == ["", ""]
    assert stored(tmp_path) == undisturbed


def test_a_killed_process_leaves_no_part_behind_for_long(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for name in list(undisturbed)[:5]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(undisturbed[name])
    (tmp_path / name).with_name("abc.def.part").write_bytes(b"half a batch")
    (tmp_path / name).write_bytes(undisturbed[name][:-7])
    source(tmp_path).extract(pictures(photos))
    assert stored(tmp_path) == undisturbed


def test_unreadable_files_are_said_and_the_rest_goes_on(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for path in sorted(photos.iterdir())[:20]:
        shutil.copy2(path, tmp_path / "photos")
    where, asked = source(tmp_path), pictures(tmp_path / "photos")
    asked[3].path.unlink()
    keys, lost = where.extract(asked)
    assert {asked[row].path.name: reason for row, reason in lost.items()} == {
        "003.jpg": "the file is missing",
        "007.png": lost[7],
        "013.jpg": "the file is empty",
    }
    assert "damaged" in lost[7]
    good = [key for row, key in enumerate(keys[0]) if row not in lost]
    assert sum(len(positions) for positions, _ in where.batches(good, 0)) == 17
    # A file that vanishes once it is planned is missing now, and not for ever.
    late = item(asked[4].path, read_header(asked[4].path), None, 128, 32, 1.0)
    elsewhere = source(tmp_path / "other")
    moved = asked[4].path.rename(tmp_path / "away.jpg")
    assert extraction.extract([late], elsewhere.store(1), elsewhere.network) == {
        late.key: "the file is missing"
    }
    moved.rename(asked[4].path)
    assert extraction.extract([late], elsewhere.store(1), elsewhere.network) == {}


def one_map(where: MapSource, path: Path) -> torch.Tensor:
    keys, lost = where.extract([Picture(path)])
    assert not lost
    ((_, maps),) = where.batches(keys[0], 0)
    return maps.float()


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.bmp"  # its size does not depend on what it shows
    picture(1).save(path)
    size, changed = path.stat().st_size, path.stat().st_mtime_ns
    where = source(tmp_path)
    first = one_map(where, path)
    picture(2).save(path)
    os.utime(path, ns=(changed + 1, changed + 1))  # clocks of file systems are coarse
    assert path.stat().st_size == size
    second = one_map(where, path)
    assert not torch.equal(first, second)
    assert torch.equal(second, where.maps_of(picture(2))[0].half().float())
    picture(3).save(path)
    os.utime(path, ns=(changed, changed))  # even where its time is set back
    assert not torch.equal(first, one_map(source(tmp_path), path))


def test_an_image_rotated_by_exif_gives_the_maps_of_its_upright_copy(tmp_path: Path) -> None:
    upright = picture(4, (128, 96))
    upright.save(tmp_path / "upright.png")
    turned = upright.transpose(Image.Transpose.ROTATE_90)  # to be turned back by orientation 6
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    where = source(tmp_path)
    maps = one_map(where, tmp_path / "upright.png")
    assert maps.shape[2:] == (3, 4)
    assert torch.equal(maps, one_map(where, tmp_path / "turned.png"))


def test_cancelling_stops_soon_and_keeps_what_is_stored(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    raised = 0.0

    def impatient(what: str, done: int, total: int) -> None:
        nonlocal raised
        assert total == 149
        if done >= 60:
            raised = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        source(tmp_path).extract(pictures(photos), progress=impatient)
    assert time.monotonic() - raised < 0.5
    assert threading.active_count() == len([t for t in threading.enumerate() if "extract" not in t.name])
    left = stored(tmp_path)
    assert 0 < len(left) < len(undisturbed)
    assert left.items() <= undisturbed.items()
    reports: list[int] = []
    source(tmp_path).extract(pictures(photos), progress=lambda what, done, total: reports.append(done))
    assert stored(tmp_path) == undisturbed
    assert reports[0] >= 16 and reports == sorted(reports) and reports[-1] == 149


def test_waiting_for_another_process_can_be_cancelled(photos: Path, tmp_path: Path) -> None:
    where = source(tmp_path)
    folder = where.store(1).folder
    folder.mkdir(parents=True)

    def impatient(what: str, done: int, total: int) -> None:
        assert "another process" in what
        raise Cancelled

    with FileLock(folder / ".lock"), pytest.raises(Cancelled):
        where.extract(pictures(photos), progress=impatient)


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    """240 images against 60: were only their maps kept, that would be 283 MB more."""
    backbone, peaks = "resnet18@relu@random", []
    for count in (60, 240):
        folder = folder_of(tmp_path / f"photos{count}", count, [(256, 192)])
        peak, error = Run(folder, tmp_path / f"cache{count}", backbone, size=256).end()
        assert error == ""
        assert sum(map(len, stored(tmp_path / f"cache{count}").values())) > count * 64 * 128 * 96 * 2
        shutil.rmtree(tmp_path / f"cache{count}")
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 100e6


def test_a_full_disk(photos: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs a small file system: not root, or mounting is not allowed")
    try:
        with pytest.raises(WorkbenchError, match=r"the disk of '.*' is full \(\d+ MB free\).*--cache"):
            source(disk).extract(pictures(photos))
        left = stored(disk)
        assert 0 < len(left) < len(undisturbed)
        assert left.items() <= undisturbed.items()
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        source(disk).extract(pictures(photos))
        assert stored(disk) == undisturbed
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_may_not_grow(photos: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Another failure of writing, which needs no root."""
    error = Run(photos, tmp_path, most=4000).end()[1]
    assert "cannot be written" in error and str(tmp_path) in error and "\n" not in error
    assert not stored(tmp_path)
    assert Run(photos, tmp_path).end()[1] == ""
    assert stored(tmp_path) == undisturbed


def test_a_cache_that_is_a_file(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(WorkbenchError, match=r"cache.*cannot be written.*--cache"):
        source(tmp_path / "cache").extract(pictures(photos))
