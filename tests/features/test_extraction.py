"""The store of maps stays correct if extraction is killed, cancelled, run twice or out of disk space."""

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
from workbench.features import map_extraction
from workbench.features.batches import item
from workbench.features.map_source import MapSource, Picture

SHAPES = ((128, 96), (96, 128), (120, 120), (128, 64), (64, 128), (100, 72))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 pictures of six shapes, two of which cannot be read."""
    folder = folder_of(tmp_path_factory.mktemp("photos"), 150, SHAPES)
    (folder / "007.jpg").unlink()
    picture(7, SHAPES[1]).save(folder / "007.png")
    damaged = bytearray((folder / "007.png").read_bytes())
    damaged[5000:5100] = bytes(100)  # the header is intact: only decoding detects it
    (folder / "007.png").write_bytes(damaged)
    (folder / "013.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The content of the store after an undisturbed run."""
    cache = tmp_path_factory.mktemp("undisturbed")
    assert Run(photos, cache).end()[1] == ""
    # 25 pictures of each of six shapes, eight per file, without the empty picture
    assert len(stored(cache)) == 5 * 4 + 3
    return stored(cache)


@pytest.mark.slow
def test_extraction_killed_at_random_moments_resumes_to_the_same_store(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Most kills follow a write closely, some precede it; a run that ends before its kill is repeated."""
    rng, cache, kills, midway, pause = random.Random(1), tmp_path, 0, 0, 0.1
    while kills < 12 or midway < 8:
        before = len(stored(cache))
        run = Run(photos, cache)
        run.begun()
        started = time.monotonic()
        if rng.random() < 0.8:
            while run.process.is_alive() and len(stored(cache)) <= before:
                time.sleep(0.001)
            pause = time.monotonic() - started
        time.sleep(rng.uniform(0, pause))
        run.process.kill()
        run.process.join()
        if run.process.exitcode == 0:
            assert stored(cache) == undisturbed
            shutil.rmtree(cache / "maps")
            continue
        kills += 1
        assert kills < 60, "extraction makes no progress between kills"
        remaining = {name: data for name, data in stored(cache).items() if not name.endswith(".part")}
        differing = [file_name for file_name, data in remaining.items() if undisturbed.get(file_name) != data]
        assert not differing, [
            (
                file_name,
                file_name in undisturbed,
                remaining[file_name][:900],
                undisturbed.get(file_name, b"")[:900],
            )
            for file_name in differing
        ]
        midway += 0 < len(remaining) < len(undisturbed)
    assert Run(photos, cache).end()[1] == ""
    assert stored(cache) == undisturbed


def test_two_simultaneous_processes_write_the_same_store(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    runs = [Run(photos, tmp_path), Run(photos, tmp_path)]
    assert [run.end()[1] for run in runs] == ["", ""]
    assert stored(tmp_path) == undisturbed


def test_partial_files_of_a_killed_process_are_removed_by_the_next_run(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for name in list(undisturbed)[:5]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(undisturbed[name])
    (tmp_path / name).with_name("abc.def.part").write_bytes(b"half a batch")
    (tmp_path / name).write_bytes(undisturbed[name][:-7])
    source(tmp_path).extract(pictures(photos))
    assert stored(tmp_path) == undisturbed


def test_unreadable_files_are_reported_and_the_others_are_extracted(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for path in sorted(photos.iterdir())[:20]:
        shutil.copy2(path, tmp_path / "photos")
    map_source, requested = source(tmp_path), pictures(tmp_path / "photos")
    requested[3].path.unlink()
    keys, lost = map_source.extract(requested)
    assert {requested[row].path.name: reason for row, reason in lost.items()} == {
        "003.jpg": "the file is missing",
        "007.png": lost[7],
        "013.jpg": "the file is empty",
    }
    assert "damaged" in lost[7]
    readable_keys = [key for row, key in enumerate(keys[0]) if row not in lost]
    assert sum(len(positions) for positions, _ in map_source.batches(readable_keys, 0)) == 17
    # A file that is missing when it is read is reported, but not stored as unreadable.
    planned = item(requested[4].path, read_header(requested[4].path), None, 128, 32, 1.0)
    other_source = source(tmp_path / "other")
    moved = requested[4].path.rename(tmp_path / "away.jpg")
    assert map_extraction.extract([planned], other_source.store(1), other_source.network) == {
        planned.key: "the file is missing"
    }
    moved.rename(requested[4].path)
    assert map_extraction.extract([planned], other_source.store(1), other_source.network) == {}


def one_map(map_source: MapSource, path: Path) -> torch.Tensor:
    keys, lost = map_source.extract([Picture(path)])
    assert not lost
    ((_, maps),) = map_source.batches(keys[0], 0)
    return maps.float()


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "photo.bmp"  # its size does not depend on its content
    picture(1).save(path)
    size, modified = path.stat().st_size, path.stat().st_mtime_ns
    map_source = source(tmp_path)
    first = one_map(map_source, path)
    picture(2).save(path)
    os.utime(path, ns=(modified + 1, modified + 1))  # file systems have coarse clocks
    assert path.stat().st_size == size
    second = one_map(map_source, path)
    assert not torch.equal(first, second)
    assert torch.equal(second, map_source.maps_of(picture(2))[0].half().float())
    picture(3).save(path)
    os.utime(path, ns=(modified, modified))  # even if its time is reset
    assert not torch.equal(first, one_map(source(tmp_path), path))


def test_an_image_with_exif_rotation_has_the_maps_of_its_upright_copy(tmp_path: Path) -> None:
    upright = picture(4, (128, 96))
    upright.save(tmp_path / "upright.png")
    turned = upright.transpose(Image.Transpose.ROTATE_90)  # orientation 6 reverses it
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    map_source = source(tmp_path)
    maps = one_map(map_source, tmp_path / "upright.png")
    assert maps.shape[2:] == (3, 4)
    assert torch.equal(maps, one_map(map_source, tmp_path / "turned.png"))


def test_cancelling_stops_within_half_a_second_and_keeps_stored_maps(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    raised = 0.0

    def cancel(label: str, done: int, total: int) -> None:
        nonlocal raised
        assert total == 149
        if done >= 60:
            raised = time.monotonic()
            raise Cancelled

    with pytest.raises(Cancelled):
        source(tmp_path).extract(pictures(photos), progress=cancel)
    assert time.monotonic() - raised < 0.5
    assert threading.active_count() == len(
        [thread for thread in threading.enumerate() if "extract" not in thread.name]
    )
    left = stored(tmp_path)
    assert 0 < len(left) < len(undisturbed)
    assert left.items() <= undisturbed.items()
    reports: list[int] = []
    source(tmp_path).extract(pictures(photos), progress=lambda label, done, total: reports.append(done))
    assert stored(tmp_path) == undisturbed
    assert reports[0] >= 16 and reports == sorted(reports) and reports[-1] == 149


def test_waiting_for_another_process_can_be_cancelled(photos: Path, tmp_path: Path) -> None:
    map_source = source(tmp_path)
    folder = map_source.store(1).folder
    folder.mkdir(parents=True)

    def cancel(label: str, done: int, total: int) -> None:
        assert "another process" in label
        raise Cancelled

    with FileLock(folder / ".lock"), pytest.raises(Cancelled):
        map_source.extract(pictures(photos), progress=cancel)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """From 120 images on, the workers' heaps are full-grown (60 to 120 still adds some 40 MB)."""
    backbone, peaks = "resnet18@relu@random", []
    map_bytes = 64 * 128 * 96 * 2
    for count in (120, 480):
        folder = folder_of(tmp_path / f"photos{count}", count, [(256, 192)])
        peak, error = Run(folder, tmp_path / f"cache{count}", backbone, size=256).end()
        assert error == ""
        assert sum(map(len, stored(tmp_path / f"cache{count}").values())) > count * map_bytes
        shutil.rmtree(tmp_path / f"cache{count}")
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 360 * map_bytes / 4


def test_a_full_disk_is_reported_and_the_next_run_continues(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
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


def test_a_file_size_limit_is_reported_and_the_next_run_continues(
    photos: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """A failed write that does not need root."""
    error = Run(photos, tmp_path, most=4000).end()[1]
    assert "cannot be written" in error and str(tmp_path) in error and "\n" not in error
    assert not stored(tmp_path)
    assert Run(photos, tmp_path).end()[1] == ""
    assert stored(tmp_path) == undisturbed


def test_a_cache_path_that_is_a_file_is_reported(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(WorkbenchError, match=r"cache.*cannot be written.*--cache"):
        source(tmp_path / "cache").extract(pictures(photos))
