"""Prefetching: images are described for pipelines that differ by one choice while no other job runs."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench
from workbench.bench.bench import Bench
from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.panels import Session, prefetch
from workbench.panels.prefetch import Prefetcher, pipelines_one_choice_away

PIPELINE = "efficientnet_lite0/max/rmac:2"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(prefetch, "PATIENCE", 0.0)
    noise = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(4):
        Image.fromarray(noise.integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / f"photos/{number}.png")
    return Session(workbench.open(tmp_path / "photos", cache=tmp_path / "cache"), pipeline=PIPELINE)


def test_neighbours_differ_in_pooling_or_regions_and_share_maps() -> None:
    neighbours = [
        Config.parse(neighbour)
        for neighbour in pipelines_one_choice_away("vgg16@conv4_3/max/rmac:3/centre/pcaw:64")
    ]
    config = Config.parse("vgg16@conv4_3/max/rmac:3/centre/pcaw:64")
    assert {str(neighbour.pooling) for neighbour in neighbours} == {"max", "mean", "gem:3", "crow"}
    assert {str(neighbour.regions) for neighbour in neighbours} >= {"whole", "rmac:5", "grid:3x3"}
    for neighbour in neighbours:
        assert (neighbour.backbone, neighbour.steps) == (config.backbone, config.steps)
        assert (neighbour.pooling == config.pooling) or (neighbour.regions == config.regions)
    assert list(pipelines_one_choice_away("alexnet@fc6/code/whole")) == []


def work_left(bench: Bench, *pipelines: str) -> list[str]:
    """Return the steps that a search by these pipelines reports; none if the descriptors are stored."""
    steps: list[str] = []
    for pipeline in pipelines:
        bench.search(
            bench.collection.images[0], pipeline=pipeline, progress=lambda step, *_: steps.append(step)
        )
    return steps


def test_neighbours_are_described_while_the_session_is_idle(session: Session) -> None:
    worker = Prefetcher(session)
    session.refresh()
    assert session.wait(60) and worker.runner.wait(60)
    assert work_left(session.bench, *pipelines_one_choice_away(PIPELINE)) == []
    root, cache = session.bench.collection.root, session.bench.options.cache
    another_process = workbench.open(root, cache=cache)
    assert work_left(another_process, PIPELINE) == []
    shutil.rmtree(cache / "descriptors")
    assert work_left(workbench.open(root, cache=cache), PIPELINE) != []
    assert not session.jobs and not session.failed


def test_prefetching_pauses_for_other_jobs(session: Session) -> None:
    worker = Prefetcher(session)
    began, stopped = threading.Event(), threading.Event()

    def until_stopped(progress: Progress) -> None:
        began.set()
        try:
            while True:
                progress("describing ahead", 0, 0)
                time.sleep(0.01)
        finally:
            stopped.set()

    session.refresh()
    assert session.wait(60)
    worker.runner.submit(until_stopped)
    assert began.wait(10)
    session.run("other", lambda progress: progress("other work", 1, 1))
    assert stopped.wait(10)
    assert session.wait(60) and worker.runner.wait(60)
    assert work_left(session.bench, *pipelines_one_choice_away(PIPELINE)) == []
