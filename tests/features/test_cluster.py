"""Extraction on a cluster makes the same store as extraction here, whatever ends in the middle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench
from tests.support.extraction import NETWORK, pictures, stored
from tests.support.pictures import folder_of, picture
from tests.support.videos import write_video
from workbench.common.progress import Cancelled, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import cluster, cluster_dispatch, cluster_task
from workbench.features.map_source import MapSource, Picture

distributed = pytest.importorskip("distributed", reason="needs the extra cluster: pip install distributed")

SHAPES = ((128, 96), (96, 128), (120, 120), (128, 64))
IMAGES = 192
BATCHES = IMAGES // 8


def source(cache: Path, scheduler: str = "local") -> MapSource:
    options = Options(size=128, device="cpu", precision="float32", cache=cache, scheduler=scheduler)
    return MapSource.of(Config.parse(f"{NETWORK}/max/whole"), options)


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, at most 30 s."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """Starts processes by forking one that imports what a worker needs while the pictures are drawn."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distributed", "timm", "torchvision", "tests.features.test_cluster"])
    first = context.Process(target=int)
    starting = threading.Thread(target=first.start)
    starting.start()
    yield context
    starting.join()
    first.join()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    """Pictures of four shapes, of which one cannot be decoded."""
    folder = folder_of(tmp_path_factory.mktemp("photos"), IMAGES, SHAPES)
    (folder / "007.jpg").unlink()
    path = folder / "007.png"
    picture(7, SHAPES[3]).save(path)
    damaged = bytearray(path.read_bytes())
    damaged[5000:5100] = bytes(100)  # the header is intact: only decoding detects it
    path.write_bytes(damaged)
    return pictures(folder)


@pytest.fixture(scope="module")
def undisturbed(photos: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The store that this process makes."""
    cache = tmp_path_factory.mktemp("undisturbed")
    source(cache).extract(photos)
    return stored(cache)


@pytest.fixture(scope="module")
def workers(server: Any) -> Iterator[Any]:
    """A scheduler in this process, whose workers are processes of one thread; at first there are none."""
    import dask

    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=None, memory_limit="2GB"
        ) as started,
    ):
        yield started


def test_a_worker_that_comes_late_and_one_that_is_killed_change_no_byte(
    workers: Any,
    photos: list[Picture],
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_dispatch, "_WORKERS_PACE", 0.1)
    told: list[tuple[str, int, int]] = []
    late: list[int] = []
    killed: list[int] = []

    def progress(task: str, done: int, total: int) -> None:
        told.append((task, done, total))
        if task.startswith("waiting for a worker"):
            workers.scale(1)
        if not task.startswith("extracting"):
            return
        if done >= 8 and not late:
            late.append(done)
            workers.scale(2)
            until(lambda: len(workers.scheduler.workers) == 2)
        if done >= 64 and not killed:
            killed.append(workers.workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    keys, unreadable = source(tmp_path, workers.scheduler_address).extract(photos, 1, progress)
    assert late[0] < IMAGES // 2 and killed and stored(tmp_path) == undisturbed
    assert list(unreadable) == [7] and "damaged" in unreadable[7]
    assert len(keys[0]) == IMAGES
    assert told[-1] == ("extracting timm:test_resnet", IMAGES, IMAGES)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of 40 seconds."""
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("a clip", "b")):
        frames = (np.asarray(picture(100 * number + second, (160, 120))) for second in range(40))
        write_video(folder / f"{name}.mp4", (frame for frame in frames for _ in range(5)), fps=5.0)
    return folder


@pytest.mark.parametrize("pipeline", [f"{NETWORK}/max/whole", "sift/bow:16/whole"])
def test_moments_of_videos_are_described_to_the_same_bytes_although_a_worker_is_killed(
    workers: Any, clips: Path, tmp_path: Path, pipeline: str
) -> None:
    workers.scale(2)
    killed: list[int] = []

    def progress(task: str, done: int, total: int) -> None:
        if 8 <= done < total == 80 and not killed and task.startswith(("extracting", "describing")):
            killed.append(workers.workers[max(workers.workers)].pid)
            os.kill(killed[0], signal.SIGKILL)

    described = []
    for scheduler, watch in (("local", silent), (workers.scheduler_address, progress)):
        cache = tmp_path / scheduler.partition(":")[0]
        bench = workbench.open(clips, cache=cache, size=160, device="cpu", scheduler=scheduler)
        vectors = bench.engine.describe(Config.parse(pipeline), watch).descriptors.vectors
        described.append((stored(cache), vectors.tolist()))
    assert killed and len(described[0][1]) == 80
    assert described[0][0] and described[0] == described[1]


def test_a_run_that_is_cancelled_is_continued_by_the_next(
    workers: Any, photos: list[Picture], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    workers.scale(2)

    def progress(task: str, done: int, total: int) -> None:
        if task.startswith("extracting") and 0 < done < total:
            raise Cancelled

    with pytest.raises(Cancelled):
        source(tmp_path, workers.scheduler_address).extract(photos, 1, progress)
    before = {name for name in stored(tmp_path) if not name.endswith(".part")}
    assert 0 < len(before) < BATCHES
    assert not [name for name in stored(tmp_path) if "run-" in name]
    source(tmp_path, workers.scheduler_address).extract(photos)
    assert stored(tmp_path) == undisturbed


def extract(cache: Path, scheduler: str, photos: list[Picture]) -> None:
    """A run in a process of its own."""
    source(cache, scheduler).extract(photos)


def test_a_run_that_is_killed_is_continued_by_the_next(
    server: Any, workers: Any, photos: list[Picture], undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    workers.scale(2)
    run = server.Process(target=extract, args=(tmp_path, workers.scheduler_address, photos))
    run.start()
    until(lambda: [name for name in stored(tmp_path) if not name.endswith(".part")])
    run.kill()
    run.join()
    before = {name for name in stored(tmp_path) if not name.endswith(".part")}
    assert 0 < len(before) < BATCHES
    assert [name for name in stored(tmp_path) if "run-" in name]
    source(tmp_path, workers.scheduler_address).extract(photos)
    assert stored(tmp_path) == undisturbed


def test_versions_that_differ_are_named(
    workers: Any, photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.scale(2)
    torch = cluster_task.PACKAGES.index("torch")
    other = tuple("0.1" if n == torch else v for n, v in enumerate(cluster_task.versions()))
    monkeypatch.setattr(cluster, "versions", lambda: other)
    with pytest.raises(WorkbenchError, match=r"tcp://\S+ has other versions .* torch \S+ \(here 0\.1\)"):
        source(tmp_path, workers.scheduler_address).extract(photos)


def test_a_batch_of_a_run_that_has_ended_is_not_written(photos: list[Picture], tmp_path: Path) -> None:
    """The mark of a run is gone: its starter was killed, and another run has begun."""
    mark = tmp_path / "run-1.part"
    mark.touch()
    ended = cluster_task.RunEnded(mark)
    assert not ended.is_set()
    mark.unlink()
    time.sleep(2 * cluster_task._CHECKED)
    assert ended.is_set()


def test_a_scheduler_that_ends_in_the_middle_is_named(
    photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as lost:
        closing = threading.Timer(0, lost.close)

        def progress(task: str, done: int, total: int) -> None:
            if task.startswith("waiting") and not closing.ident:
                closing.start()

        with pytest.raises(WorkbenchError, match=r"connection to scheduler 'tcp://.*' is lost"):
            source(tmp_path, lost.scheduler_address).extract(photos, 1, progress)
    closing.join()
    assert not stored(tmp_path)


def test_a_worker_is_no_scheduler(workers: Any, photos: list[Picture], tmp_path: Path) -> None:
    workers.scale(2)
    until(lambda: len(workers.scheduler.workers) == 2)
    with pytest.raises(WorkbenchError, match="is a worker of Dask, which is not a scheduler"):
        source(tmp_path, next(iter(workers.scheduler.workers))).extract(photos)


def test_another_program_at_the_address_is_named(photos: list[Picture], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(
            target=lambda: listening.accept()[0].sendall(b"HTTP/1.1 400 Bad\r\n\r\n")
        )
        answering.start()
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(WorkbenchError, match=f"at '{address}' is another program than Dask"):
            source(tmp_path, address).extract(photos)
        answering.join()


def test_a_program_that_says_nothing_is_no_scheduler(
    photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(WorkbenchError, match="does not answer within"),
    ):
        source(tmp_path, f"tcp://127.0.0.1:{listening.getsockname()[1]}").extract(photos)


def test_a_worker_without_the_workbench_is_named(
    workers: Any, photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that it cannot import is one that was never there."""
    workers.scale(1)
    monkeypatch.setattr(cluster_dispatch.process_batches, "__module__", "workbench.not_installed_there")
    monkeypatch.setitem(sys.modules, "workbench.not_installed_there", cluster_task)
    with pytest.raises(WorkbenchError, match=r"worker tcp://\S+ does not have this version .*not_installed"):
        source(tmp_path, workers.scheduler_address).extract(photos)


def test_a_scheduler_that_does_not_answer_is_named_with_the_command_that_starts_one(
    photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 0.2)
    with pytest.raises(WorkbenchError, match=r"'tcp://127\.0\.0\.1:9' does not answer .*'dask scheduler'"):
        source(tmp_path, "tcp://127.0.0.1:9").extract(photos)


def test_without_dask_the_message_names_the_install_command(
    photos: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(WorkbenchError, match=r"package distributed is not .*\[cluster\]"):
        source(tmp_path, "tcp://127.0.0.1:9").extract(photos)


@pytest.mark.parametrize("address", ["", "127.0.0.1:8786", "http://host:8786", "tcp://host", 8786])
def test_an_address_that_is_none_is_refused(address: Any) -> None:
    with pytest.raises(WorkbenchError, match=r"scheduler .* is not known; valid: local"):
        Options(scheduler=address)


def test_maps_that_are_not_stored_need_no_scheduler() -> None:
    with pytest.raises(WorkbenchError, match="maps cannot be none"):
        Options(scheduler="tcp://host:8786", maps="none")
