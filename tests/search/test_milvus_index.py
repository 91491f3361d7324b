"""An index on a Milvus server, which these tests start and kill themselves."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import workbench
from tests.support.extraction import NETWORK
from tests.support.milvus_server import TOKEN, MilvusServer, free_port
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.config.index_server import IndexServer
from workbench.config.steps import parse_index
from workbench.report.page import page
from workbench.search import faiss_index, milvus_build, milvus_client, milvus_index
from workbench.search.milvus_index import MilvusIndex
from workbench.search.probing import search_at_least

pytest.importorskip("milvus", reason="needs the package milvus, a server for tests")
pytest.importorskip("pymilvus", reason="needs the package pymilvus, the client")

COUNT, DIMENSIONS = 2600, 32
DISTRACTORS = 300  # the last of them
KINDS = ["exact", "hnsw:16:256", "ivf:8:1,pq:16"]
PIPELINE = f"{NETWORK}/mean/whole/pcaw:16"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, posters_cache: Path) -> Iterator[MilvusServer]:
    folder = tmp_path_factory.mktemp("milvus")
    server = MilvusServer(folder, posters_cache / "milvus")
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)  # its log of changes alone has 64 MB


@pytest.fixture(scope="module")
def address(server: MilvusServer) -> IndexServer:
    return IndexServer.parse(server.address)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).standard_normal((COUNT, DIMENSIONS)).astype(np.float32)
    drawn[1] = drawn[0]  # two images that tie
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def served(server: MilvusServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench of photos that a server searches."""
    folder = folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)
    cache = tmp_path_factory.mktemp("cache")
    return workbench.open(
        folder,
        "folders",
        cache=cache,
        size=128,
        device="cpu",
        precision="float32",
        index_server=server.address,
    )


@pytest.fixture(scope="module")
def indexes(address: IndexServer, vectors: np.ndarray, served: Bench) -> dict[str, MilvusIndex]:
    """The indexes of ``KINDS``, built at the same time, as is that of the bench: a server waits a lot."""
    with ThreadPoolExecutor(len(KINDS) + 1) as threads:
        threads.submit(served.evaluate, PIPELINE)
        made = threads.map(lambda kind: built(address, vectors, kind, f"kind{KINDS.index(kind)}"), KINDS)
        return dict(zip(KINDS, made, strict=True))


def names(count: int) -> list[str]:
    return ['a "quoted" \\ name.jpg', "bytes \udcff.jpg", *(f"{row}.jpg" for row in range(2, count))]


def built(
    address: IndexServer, vectors: np.ndarray, kind: str, name: str, progress: Callable = lambda *_: None
) -> MilvusIndex:
    distractors = np.arange(len(vectors)) >= len(vectors) - DISTRACTORS
    steps = parse_index(kind)
    return milvus_build.build(address, steps, vectors, names(len(vectors)), distractors, name, progress)


def test_exhaustive_search_equals_that_in_memory(
    indexes: dict[str, MilvusIndex], vectors: np.ndarray, address: IndexServer
) -> None:
    index, memory = indexes["exact"], faiss_index.build((), vectors)
    for mine, theirs in zip(memory.search(vectors[:5]), index.search(vectors[:5]), strict=True):
        np.testing.assert_allclose(theirs.scores, mine.scores, atol=1e-6)
        assert len(set(theirs.rows.tolist())) == COUNT
    for k in (1, 7):
        for mine, theirs in zip(
            memory.search(vectors[:3], k), search_at_least(index, vectors[:3], k, True), strict=True
        ):
            np.testing.assert_array_equal(theirs.rows[:k], mine.rows[:k])
    assert index.score(vectors[5], 1) == pytest.approx(float(vectors[5] @ vectors[1]), abs=1e-6)
    assert "Milvus 2" in index.note and "FLAT" in index.note and index.server.uri in index.note
    in_partition = milvus_client.client(address).query(
        index.collection, filter="", output_fields=["count(*)"], partition_names=[milvus_build.PARTITION]
    )
    assert in_partition[0]["count(*)"] == DISTRACTORS


@pytest.mark.parametrize("kind", KINDS[1:])
def test_indexes_return_the_nearest_with_the_scores_of_their_codes(
    indexes: dict[str, MilvusIndex], vectors: np.ndarray, kind: str
) -> None:
    index, exact = indexes[kind], faiss_index.build((), vectors).search(vectors[:20], 10)
    rankings = index.probing(8).search(vectors[:20], 10)
    recall = np.mean([len({*a.rows} & {*b.rows}) / 10 for a, b in zip(exact, rankings, strict=True)])
    assert recall > (0.5 if "pq" in kind else 0.97)
    for query, ranking in zip(vectors[:3], rankings, strict=False):
        assert (np.diff(ranking.scores) <= 0).all()
        for row, score in zip(ranking.rows[:3].tolist(), ranking.scores[:3], strict=True):
            assert index.score(query, row) == pytest.approx(float(score), abs=1e-5)
    for ranking in search_at_least(index, vectors[:3], 2000):  # one of eight cells has fewer
        assert len(ranking.rows) >= 2000


def test_measures_rankings_and_explanations_are_those_of_a_search_in_memory(
    indexes: dict[str, MilvusIndex], served: Bench
) -> None:
    memory = Bench(served.collection, replace(served.options, index_server=""))
    query = served.collection.queries[0].id
    for pipeline in (PIPELINE, f"{PIPELINE}/aqe:2"):
        theirs, mine = (bench.evaluate(pipeline) for bench in (served, memory))
        assert theirs.mean_ap == pytest.approx(mine.mean_ap, abs=1e-9)
        ours, ranking = (bench.search(query, pipeline=pipeline, k=3) for bench in (served, memory))
        assert ours["image_id"].tolist() == ranking["image_id"].tolist()
        np.testing.assert_allclose(ours["score"], ranking["score"], atol=1e-5)
        ap = {name: value for name, value in ranking.attrs.items() if "ap" in str(name).lower()}
        assert ap and all(ours.attrs[name] == pytest.approx(value) for name, value in ap.items())
    note = f"searched by {served.engine.options.index_server.replace(f'{TOKEN}@', '')[len('milvus:') :]}"
    assert any(warning.startswith(note) for warning in theirs.warnings)
    assert theirs.provenance["index server"] == str(IndexServer.parse(served.engine.options.index_server))
    assert theirs.provenance["versions"]["milvus"].startswith("2.")
    report = page(served, [PIPELINE])
    assert f"--index-server {theirs.provenance['index server']}" in report and TOKEN not in report
    why = served.explain(query, ours["image_id"][0], pipeline=PIPELINE)
    assert why.score == pytest.approx(why.query_heatmap.sum() + why.constant, abs=1e-4)
    said = json.dumps([theirs.provenance, theirs.warnings, ours.attrs], default=str)
    assert "Milvus" in said and TOKEN not in said
    assert TOKEN not in repr(served.options) + repr(served)


def test_collection_of_another_kind_is_refused(
    indexes: dict[str, MilvusIndex],
    address: IndexServer,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(WorkbenchError, match=f"dimension is {DIMENSIONS}, not 16; drop it there"):
        built(address, np.ascontiguousarray(vectors[:, :16]), "exact", "kind0")
    with pytest.raises(WorkbenchError, match="index is FLAT, not HNSW"):
        built(address, vectors, "hnsw:16", "kind0")
    monkeypatch.setattr(milvus_build, "_VERSION", 1000)
    with pytest.raises(WorkbenchError, match=r"version 1: .* not .*version 1000"):
        built(address, vectors, "exact", "kind0")


@pytest.mark.parametrize("token", ["root:swordfish@", "swordfish@", ""])
def test_wrong_token_is_refused_and_not_shown(server: MilvusServer, token: str) -> None:
    wrong = IndexServer.parse(f"milvus:http://{token}127.0.0.1:{server.port}")
    with pytest.raises(WorkbenchError, match=r"refused .*WORKBENCH_INDEX_TOKEN") as refused:
        built(wrong, np.eye(4, dtype=np.float32), "exact", "refused")
    assert "swordfish" not in str(refused.value)


def test_killed_server_goes_on_without_losing_or_repeating_an_image(
    server: MilvusServer,
    indexes: dict[str, MilvusIndex],
    address: IndexServer,
    vectors: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(milvus_build, "_BATCH_BYTES", 500 * 4 * DIMENSIONS)
    sent: list[list[int]] = [[], []]

    def progress(run: int, stop: int = COUNT + 1) -> Callable:
        def report(task: str, done: int, total: int) -> None:
            if task.startswith("sending"):
                sent[run].append(done)
                if done >= stop:
                    # As if the server had been killed even before the index was named.
                    milvus_client.client(address).drop_index("workbench_resumed", "vector")
                    server.kill()

        return report

    try:
        with pytest.raises(WorkbenchError, match=r"does not answer.*goes on where it stopped"):
            built(address, vectors, "exact", "resumed", progress(0, 1500))
        with pytest.raises(WorkbenchError, match="does not answer"):
            indexes["exact"].search(vectors[:1], 5)
    finally:
        server.start()
    assert indexes["exact"].search(vectors[5:6], 5)[0].rows[0] == 5
    index = built(address, vectors, "exact", "resumed", progress(1))
    assert sent[0] == [0, 500, 1000, 1500] and sent[1][0] >= 1500
    (ranking,) = index.search(vectors[:1])
    assert sorted(ranking.rows.tolist()) == list(range(COUNT))


def test_without_a_server_the_message_says_how_to_start_one() -> None:
    started = time.monotonic()
    with pytest.raises(WorkbenchError, match=r"does not answer.*milvus-server") as refused:
        built(
            IndexServer.parse(f"milvus:http://swordfish@127.0.0.1:{free_port()}"),
            np.eye(4, dtype=np.float32),
            "exact",
            "none",
        )
    assert time.monotonic() - started < 30 and "swordfish" not in str(refused.value)


@pytest.mark.parametrize("index", ["pq:16", "itq:256", "imi:2", "opq:8", "lsh:64"])
def test_indexes_that_a_server_does_not_have_are_refused_before_it_is_asked(index: str) -> None:
    with pytest.raises(WorkbenchError, match="not available on an index server; valid there: exact"):
        milvus_index.check_served(parse_index(index))


def test_without_the_client_the_message_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.setattr(milvus_client, "_clients", {})
    bench = workbench.open(folder_of(tmp_path, 4), cache=tmp_path / "cache", index_server="milvus:http://h:1")
    with pytest.raises(WorkbenchError, match=r'pip install "retrieval-workbench\[milvus\]"'):
        bench.search("000.jpg", pipeline=PIPELINE)
    with pytest.raises(WorkbenchError, match=r'pip install "retrieval-workbench\[milvus\]"'):
        milvus_client.version(IndexServer.parse("milvus:http://h:1"))
