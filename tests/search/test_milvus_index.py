"""An index on a Milvus server, which these tests start and kill themselves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.common.progress import Cancelled
from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer
from workbench.config.steps import parse_index
from workbench.search import faiss_index, milvus_index

pytest.importorskip("milvus", reason="needs the package milvus, a server for tests")
pytest.importorskip("pymilvus", reason="needs the package pymilvus, the client")

COUNT, DIMENSIONS = 3000, 32
SERVE = """
import sys, time
from milvus import default_server
default_server.set_base_dir(sys.argv[1])
default_server.listen_port = int(sys.argv[2])
default_server.start()
print("ready", flush=True)
time.sleep(1e6)
"""


class Server:
    """A Milvus server on this machine, which can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = IndexServer.parse(f"milvus:http://127.0.0.1:{self.port}")

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.folder), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdout.readline().startswith(b"ready")

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((COUNT, DIMENSIONS)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def names(count: int = COUNT) -> list[str]:
    return ['a "quoted" \\ name.jpg', "bytes \udcff.jpg", *(f"{row}.jpg" for row in range(2, count))]


def built(server: Server, vectors: np.ndarray, index: str, of: str, progress=lambda *_: None):
    distractors = np.arange(len(vectors)) >= len(vectors) - 1100
    return milvus_index.build(
        server.address, parse_index(index), vectors, names(len(vectors)), distractors, of, progress
    )


def test_exhaustive_search_equals_that_in_memory(server: Server, vectors: np.ndarray) -> None:
    index = built(server, vectors, "exact", "exact")
    for mine, theirs in zip(
        faiss_index.build((), vectors).search(vectors[:5]), index.search(vectors[:5]), strict=True
    ):
        np.testing.assert_allclose(theirs.scores, mine.scores, atol=1e-6)
        assert len(set(theirs.rows.tolist())) == COUNT
        np.testing.assert_allclose(vectors[theirs.rows] @ vectors[theirs.rows[0]], theirs.scores, atol=1e-6)
    assert index.score(vectors[0], 1) == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
    assert "Milvus 2" in index.note and "FLAT" in index.note


@pytest.mark.parametrize("steps", ["ivf:16:16", "hnsw:16:256", "ivf:4:4,pq:16"])
def test_indexes_find_the_nearest_and_say_the_scores_of_their_codes(
    server: Server, vectors: np.ndarray, steps: str
) -> None:
    index = built(server, vectors, steps, "kind_" + steps.replace(":", "_").replace(",", "_"))
    exact = faiss_index.build((), vectors).search(vectors[:20], 10)
    found = index.search(vectors[:20], 10)
    recall = np.mean([len({*a.rows} & {*b.rows}) / 10 for a, b in zip(exact, found, strict=True)])
    assert recall > (0.5 if "pq" in steps else 0.97)
    for query, ranking in zip(vectors[:3], found, strict=False):
        assert (np.diff(ranking.scores) <= 0).all()
        for row, score in zip(ranking.rows[:3].tolist(), ranking.scores[:3], strict=True):
            assert index.score(query, row) == pytest.approx(float(score), abs=1e-5)


def test_interrupted_and_killed_insertions_go_on_without_losing_or_repeating_an_image(
    server: Server, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_index, "_BATCH_BYTES", 500 * 4 * DIMENSIONS)
    calls = []

    def stop(task: str, done: int, total: int) -> None:
        if task.startswith("sending"):
            calls.append(done)
            if done >= 1000:
                raise Cancelled

    with pytest.raises(Cancelled):
        built(server, vectors, "exact", "resumed", stop)

    def kill(task: str, done: int, total: int) -> None:
        if task.startswith("sending"):
            calls.append(done)
            if done >= 2000:
                server.kill()

    monkeypatch.setattr(milvus_index, "_SECONDS", 5.0)
    try:
        with pytest.raises(WorkbenchError, match=r"does not answer.*goes on where it stopped"):
            built(server, vectors, "exact", "resumed", kill)
    finally:
        server.start()
    monkeypatch.undo()
    index = built(server, vectors, "exact", "resumed")
    assert calls[0] == 0 and calls[calls.index(max(calls)) - 1] >= 1000
    (ranking,) = index.search(vectors[:1])
    assert sorted(ranking.rows.tolist()) == list(range(COUNT))


def test_server_that_stops_is_named_and_used_again(server: Server, vectors: np.ndarray) -> None:
    index = built(server, vectors, "exact", "exact")
    server.kill()
    try:
        with pytest.raises(WorkbenchError, match="does not answer"):
            index.search(vectors[:1], 5)
    finally:
        server.start()
    index = built(server, vectors, "exact", "exact")
    assert index.search(vectors[:1], 5)[0].rows[0] == 0


def test_collection_of_another_dimension_is_refused(server: Server, vectors: np.ndarray) -> None:
    built(server, vectors, "exact", "exact")
    with pytest.raises(WorkbenchError, match=f"dimension is {DIMENSIONS}, not 16; drop it there"):
        built(server, np.ascontiguousarray(vectors[:, :16]), "exact", "exact")
    with pytest.raises(WorkbenchError, match="index is FLAT, not HNSW"):
        built(server, vectors, "hnsw:16", "exact")


def test_without_a_server_the_message_says_how_to_start_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match=r"does not answer.*milvus-server"):
        milvus_index.build(
            IndexServer.parse(f"milvus:http://secret-token@127.0.0.1:{port}"),
            (),
            np.eye(4, dtype=np.float32),
            list("abcd"),
            np.zeros(4, bool),
            "none",
        )
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("index", ["pq:16", "itq:256", "imi:2", "opq:8", "lsh:64"])
def test_indexes_that_a_server_does_not_have_are_refused_before_it_is_asked(index: str) -> None:
    with pytest.raises(WorkbenchError, match="not available on an index server; valid there: exact"):
        milvus_index.check_served(parse_index(index))
