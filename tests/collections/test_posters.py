"""The embedded collection: its bytes, its ground truth, and interrupted generation."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.collections.collection import Collection
from workbench.collections.posters import collection
from workbench.collections.posters import photos as poster_photos
from workbench.collections.posters.art import MEMBERS, SERIES, poster
from workbench.collections.posters.collection import NOTE, POSTERS, VERSION, make, open_posters, plan, render
from workbench.collections.posters.photos import read_photos
from workbench.collections.posters.scenes import Photos, Pixels
from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError

# A small plan, so that tests can generate the collection often; the whole one is generated once.
FEW = [task for task in plan() if task.number is None][:8] + [
    task for task in plan() if task.view == "query"
][:6]


@pytest.fixture(scope="module")
def whole(posters_cache: Path) -> Collection:
    return open_posters(posters_cache / "posters")


@pytest.fixture(scope="module")
def photos() -> Photos:
    return read_photos()


@pytest.fixture(scope="module")
def art(photos: Photos) -> list[Pixels]:
    return [np.asarray(poster(photos, number).convert("RGBA")) for number in range(POSTERS)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small collection, generated without interruption."""
    folder = tmp_path_factory.mktemp("made") / "posters"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "plan", lambda: FEW)
        make(folder)
    return folder


@pytest.fixture
def small_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "plan", lambda: FEW)


# The pictures


def test_posters_are_distinct_and_share_a_shape_within_a_series(art: list[Pixels]) -> None:
    assert POSTERS == 60 and len(SERIES) == 15 and MEMBERS == 4
    assert len({p.tobytes() for p in art}) == 60
    for number, pixels in enumerate(art):
        assert pixels.shape == art[number - number % MEMBERS].shape


def test_a_picture_does_not_depend_on_the_rendering_order(art: list[Pixels], photos: Photos) -> None:
    tasks = plan()[:6] + plan()[-2:]
    first = [render(task, art, photos) for task in tasks]
    repeated = [render(task, art, photos) for task in reversed(tasks)][::-1]
    for (data, views), (repeated_data, repeated_views) in zip(first, repeated, strict=True):
        assert data == repeated_data
        assert [(v.number, v.visible, v.tilt) for v in views] == [
            (v.number, v.visible, v.tilt) for v in repeated_views
        ]
    assert len({data for data, _ in first}) == len(tasks)


def test_one_processor_generates_identical_files(
    small_plan: None, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    make(tmp_path / "one")
    assert contents(tmp_path / "one") == contents(built)


def test_photographs_are_read_without_network_access(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was accessed")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert set(read_photos()) == set(poster_photos.PHOTOS)


def test_a_missing_photograph_is_reported_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poster_photos, "PHOTOS", {"owl": ("skimage", "data/owl.png")})
    with pytest.raises(WorkbenchError, match=r"data/owl.png of the package skimage .* install"):
        read_photos()


# The collection


def test_the_collection_has_its_documented_contents(whole: Collection) -> None:
    assert len(whole.images) == len(set(whole.images)) == 60 * 8 + 150
    assert [q.id for q in whole.queries] == [f"p{n:02d}" for n in range(60)]
    assert whole.name == "posters" and whole.notes == (NOTE,) and not whole.labels
    assert whole.protocol is not None and whole.protocol.name == "revisited"
    shown = {image for grades in whole.relevance.values() for image in grades}
    assert 150 <= len(set(whole.images) - shown) <= 170  # some scenes hide their poster completely
    assert sum(whole.path(image).stat().st_size for image in whole.images) < 60e6


def test_every_query_has_easy_and_hard_positives(whole: Collection) -> None:
    for query in whole.queries:
        grades = Counter(whole.relevance[query.id].values())
        assert set(grades) <= {"easy", "hard", "junk"} and sum(grades.values()) >= 7
        assert grades["easy"] >= 1 and grades["hard"] >= 1, query.id


def test_every_image_of_the_ground_truth_exists(whole: Collection) -> None:
    database = set(whole.images)
    for image in database | {q.image for q in whole.queries}:
        assert whole.path(image).is_file()
    for query in whole.queries:
        assert query.image not in database
        assert set(whole.relevance[query.id]) <= database
        pairs = {(query.id, image) for image in (*whole.relevance[query.id], query.image)}
        assert pairs == {pair for pair in whole.quadrilaterals if pair[0] == query.id}


def test_a_query_is_cropped_to_the_bounding_box_of_its_poster(whole: Collection) -> None:
    for query in whole.queries:
        assert query.box is not None
        xs, ys = zip(*whole.quadrilaterals[query.id, query.image], strict=True)
        assert query.box == (min(xs), min(ys), max(xs), max(ys))
        with Image.open(whole.path(query.image)) as image:
            assert min(xs) >= 0 and min(ys) >= 0 and max(xs) <= image.width and max(ys) <= image.height


def test_posters_in_a_scene_belong_to_different_series(whole: Collection) -> None:
    series: dict[str, list[int]] = {}
    for query in whole.queries:
        for image in whole.relevance[query.id]:
            series.setdefault(image, []).append(int(query.id[1:]) // MEMBERS)
    assert all(len(set(s)) == len(s) <= 2 for s in series.values())
    assert 20 < sum(len(s) == 2 for s in series.values()) < 120


# Generation on first use


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def open_small(root: Path, started: str | None = None) -> None:
    """Open the small collection in another process; touch the file ``started`` when rendering has begun."""
    collection.plan = lambda: FEW

    def progress(label: str, done: int, total: int) -> None:
        if started is not None:
            Path(started).touch()
            time.sleep(0.05)

    open_posters(root, progress)


def test_the_collection_is_generated_once(small_plan: None, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    open_posters(tmp_path / "a" / "posters", lambda _, done, total: steps.append((done, total)))
    assert steps == [(i + 1, len(FEW)) for i in range(len(FEW))]
    open_posters(tmp_path / "a" / "posters", lambda *_: pytest.fail("generated twice"))


def test_an_interrupted_build_is_repeated(small_plan: None, built: Path, tmp_path: Path) -> None:
    root, started = tmp_path / "posters", tmp_path / "started"
    process = multiprocessing.get_context("spawn").Process(target=open_small, args=(root, str(started)))
    process.start()
    deadline = time.monotonic() + 120
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None and started.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not root.exists() and list(tmp_path.glob(".posters.making/*/*.jpg"))
    open_posters(root)
    assert contents(root) == contents(built)
    assert not list(tmp_path.glob(".posters.making"))


def test_two_processes_may_generate_it_concurrently(built: Path, tmp_path: Path) -> None:
    root = tmp_path / "posters"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=open_small, args=(root,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert contents(root) == contents(built)


def test_a_cancelled_build_leaves_no_folders(small_plan: None, tmp_path: Path) -> None:
    def cancel(label: str, done: int, total: int) -> None:
        if done == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        open_posters(tmp_path / "posters", cancel)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


@pytest.mark.parametrize("damage", ["older", "newer", "picture", "truth", "no truth"])
def test_an_outdated_or_damaged_folder_is_rebuilt(
    small_plan: None, built: Path, tmp_path: Path, damage: str
) -> None:
    root = tmp_path / "posters"
    shutil.copytree(built, root)
    truth = root / "ground_truth.json"
    if damage in ("older", "newer"):
        data = json.loads(truth.read_text()) | {"version": VERSION + (1 if damage == "newer" else -1)}
        truth.write_text(json.dumps(data))
    elif damage == "picture":
        shutil.copy(root / FEW[1].image, root / "scenes" / "other.jpg")
        (root / FEW[0].image).unlink()
    elif damage == "truth":
        truth.write_text(truth.read_text()[:500])
    else:
        truth.unlink()
    open_posters(root)
    assert contents(root) == contents(built)


def test_a_folder_with_other_files_is_not_changed(small_plan: None, tmp_path: Path) -> None:
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(WorkbenchError, match=r"contains other files \('holiday.jpg'\)"):
        open_posters(tmp_path / "posters")
    assert contents(tmp_path / "posters") == {"holiday.jpg": b"mine"}


def test_a_path_that_cannot_be_written_is_reported(small_plan: None, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkbenchError, match=r"cannot be made in .*file.*--cache"):
        open_posters(tmp_path / "file" / "posters")
