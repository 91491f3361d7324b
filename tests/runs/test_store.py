"""Stored runs: updated, shared, listed and compared, through faults of disk and process."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import resource
import signal
import sqlite3
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pandas as pd
import pytest

import workbench as wb
from tests.support.benches import described
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.runs import database as run_database
from workbench.runs import store

COUNT, KINDS = 12, 3
WHOLE, REGIONS = f"{NETWORK}/max/whole", f"{NETWORK}/mean/rmac:2/pcaw:8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), COUNT, kinds=KINDS)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(folder: Path, cache: Path, seed: int = 0) -> Bench:
    return wb.open(
        folder, labels="folders", cache=cache, size=128, device="cpu", precision="float32", seed=seed
    )


@pytest.fixture
def bench(folder: Path, cache: Path) -> Bench:
    return opened(folder, cache)


def database(cache: Path) -> Path:
    return store.database_path(cache)


def test_a_stored_run_equals_its_evaluation(bench: Bench, cache: Path, folder: Path) -> None:
    assert bench.runs().empty
    evaluation = bench.evaluate(REGIONS)
    (name,) = bench.runs()["id"]
    run = store.load(cache, name)
    assert (run.pipeline, run.collection, run.protocol) == (REGIONS, folder.name, "labels")
    assert (run.mean_ap, run.metrics, run.provenance) == (
        evaluation.mean_ap,
        evaluation.metrics,
        evaluation.provenance,
    )
    assert run.warnings == evaluation.warnings != []
    assert run.seed == 0 and run.seconds > 0
    pd.testing.assert_frame_equal(run.per_query, evaluation.per_query, check_dtype=False)
    assert evaluation.mean_ap == pytest.approx(run.per_query["ap"].mean())
    assert store.load(cache, name[:6]).id == name


def test_stored_rankings_equal_those_of_search(bench: Bench, cache: Path) -> None:
    bench.evaluate(REGIONS)
    run = store.load(cache, bench.runs()["id"][0])
    stored = store.load_rankings(cache, run)
    assert len(stored) == COUNT * COUNT
    for query in ("kind0/000.jpg", "kind2/011.jpg"):
        ranking = bench.search(query, pipeline=REGIONS, k=None)
        rows = stored[stored["query"] == query]
        assert rows["image_id"].to_list() == ranking["image_id"].to_list()
        assert rows["rank"].to_list() == ranking["rank"].to_list()
        assert rows["score"].to_list() == pytest.approx(ranking["score"].to_list(), abs=1e-6)


def test_an_equal_run_updates_its_row_and_another_run_adds_one(folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    first = opened(folder, cache).runs()
    opened(folder, cache).evaluate(WHOLE)
    second = opened(folder, cache).runs()
    assert second["id"].to_list() == first["id"].to_list()
    assert second["time"][0] > first["time"][0]
    assert second["seconds"][0] >= first["seconds"][0]  # the longest duration
    opened(folder, cache, seed=1).evaluate(WHOLE)
    opened(folder, cache).evaluate(REGIONS)
    assert len(opened(folder, cache).runs()) == 3


def test_a_stored_measure_is_kept_when_others_are_updated(bench: Bench, cache: Path) -> None:
    evaluation = bench.evaluate(WHOLE)
    prepared = described(bench, WHOLE)
    store.save_run(
        cache, prepared, replace(evaluation, metrics={**evaluation.metrics, "localisation": 0.5}), 9.0
    )
    store.save_run(cache, prepared, evaluation, 1.0)
    run = store.load(cache, bench.runs()["id"][0])
    assert run.metrics["localisation"] == 0.5 and run.seconds == 9.0


def test_a_changed_image_is_another_collection(tmp_path: Path, cache: Path) -> None:
    folder = folder_of(tmp_path / "photos", 6, kinds=2)
    opened(folder, cache).evaluate(WHOLE)
    picture(77).save(folder / "kind0" / "000.jpg")
    bench = opened(folder, cache)
    bench.evaluate(WHOLE)
    table = bench.runs()
    assert len(table) == 2
    assert table["fingerprint"].nunique() == 2


def test_runs_are_listed_newest_first_and_by_collection(tmp_path: Path, folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    other = folder_of(tmp_path / "others", 6, kinds=2)
    opened(other, cache).evaluate(WHOLE)
    assert opened(folder, cache).runs()["collection"].to_list() == ["others", folder.name]
    assert store.list_runs(cache, "others")["pipeline"].to_list() == [WHOLE]
    assert store.list_runs(cache, "nowhere").empty


# Differences of two runs.


def test_the_difference_of_two_runs(bench: Bench, cache: Path) -> None:
    whole, regional = bench.evaluate(WHOLE), bench.evaluate(REGIONS)
    b, a = (store.load(cache, name) for name in bench.runs()["id"])
    difference = store.diff(a, b)
    by_measure = difference.metrics.set_index("measure")
    assert [*by_measure.loc["mAP"]] == [whole.mean_ap, regional.mean_ap, regional.mean_ap - whole.mean_ap]
    expected = regional.per_query.set_index("query")["ap"] - whole.per_query.set_index("query")["ap"]
    differences = difference.per_query.set_index("query")["difference"]
    pd.testing.assert_series_equal(differences.sort_index(), expected.sort_index(), check_names=False)
    assert differences.abs().is_monotonic_decreasing
    assert difference.difference == bench.compare([WHOLE, REGIONS]).difference(0, 1)
    changed = difference.provenance.set_index("what")
    assert [*changed.loc["pipeline"]] == [WHOLE, REGIONS]
    assert changed.loc["dimensions", "b"] == "8"
    assert [*changed.loc["whitening.0.kind"]] == ["", "pcaw"]
    assert not {"seconds", "weights", "fingerprint", "versions.torch"} & set(changed.index)


def test_runs_of_different_collections_are_not_comparable(tmp_path: Path, folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    opened(folder_of(tmp_path / "others", 6, kinds=2), cache).evaluate(WHOLE)
    a, b = (store.load(cache, name) for name in store.list_runs(cache)["id"])
    with pytest.raises(WorkbenchError, match=r"'others'.*are not comparable"):
        store.diff(a, b)


def test_a_query_without_positives_has_the_ap_nan(tmp_path: Path, cache: Path) -> None:
    folder = folder_of(tmp_path / "photos", 4, kinds=2)
    (folder / "alone").mkdir()
    picture(50).save(folder / "alone" / "0.jpg")
    bench = opened(folder, cache)
    evaluation = bench.evaluate(WHOLE)
    run = store.load(cache, bench.runs()["id"][0])
    aps = dict(zip(run.per_query["query"], run.per_query["ap"], strict=True))
    assert set(aps) == set(evaluation.per_query["query"])
    assert all(math.isnan(ap) == (query == "alone/0.jpg") for query, ap in aps.items())
    assert store.diff(run, run).difference.equal == 4


def test_an_unknown_run_is_reported(bench: Bench, cache: Path) -> None:
    for _ in (0, 1):  # before and after there is a database
        with pytest.raises(WorkbenchError, match="'abc' is not known"):
            store.load(cache, "abc")
        bench.evaluate(WHOLE)
    with pytest.raises(WorkbenchError, match="several ids"):
        bench.evaluate(REGIONS)
        with contextlib.closing(sqlite3.connect(database(cache))) as connection, connection:
            connection.execute("UPDATE runs SET id = 'same' || rowid")
        store.load(cache, "same")


# Faults: an evaluation does not fail if it cannot be stored.


def test_a_missing_ranking_is_reported_and_the_next_evaluation_stores_it(folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    run = store.load(cache, store.list_runs(cache)["id"][0])
    file = cache / "runs" / "rankings" / f"{run.id}.parquet"
    file.write_bytes(b"not a table")
    with pytest.raises(WorkbenchError, match=f"{run.id}.*cannot be read.*evaluate again"):
        store.load_rankings(cache, run)
    file.unlink()
    with pytest.raises(WorkbenchError, match=f"{run.id}.*is missing.*evaluate again"):
        store.load_rankings(cache, run)
    opened(folder, cache).evaluate(WHOLE)
    assert len(store.load_rankings(cache, run)) == COUNT * COUNT


def test_a_damaged_database_is_moved_aside_and_nothing_is_deleted(folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    damaged = b"this is no database" * 400
    database(cache).write_bytes(damaged)
    with pytest.raises(WorkbenchError, match=r"cannot be read .*moves it aside"):
        opened(folder, cache).runs()
    evaluation = opened(folder, cache).evaluate(REGIONS)
    (message,) = [warning for warning in evaluation.warnings if "damaged" in warning]
    (kept,) = database(cache).parent.glob("runs.sqlite.damaged-*")
    assert kept.name in message and kept.read_bytes() == damaged
    assert store.list_runs(cache)["pipeline"].to_list() == [REGIONS]
    assert not any("damaged" in warning for warning in opened(folder, cache).evaluate(WHOLE).warnings)


def test_a_database_with_damaged_pages_is_moved_aside(folder: Path, cache: Path) -> None:
    bench = opened(folder, cache)
    bench.evaluate(WHOLE)
    whole = database(cache).read_bytes()
    database(cache).write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert any("damaged" in warning for warning in bench.evaluate(REGIONS).warnings)
    assert store.list_runs(cache)["pipeline"].to_list() == [REGIONS]


def test_a_newer_database_is_not_changed(folder: Path, cache: Path) -> None:
    opened(folder, cache).evaluate(WHOLE)
    with contextlib.closing(sqlite3.connect(database(cache))) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(WorkbenchError, match=r"version 99.*update the workbench"):
        opened(folder, cache).runs()
    evaluation = opened(folder, cache).evaluate(REGIONS)
    assert any("could not be stored" in warning and "99" in warning for warning in evaluation.warnings)
    with contextlib.closing(sqlite3.connect(database(cache))) as connection:
        assert connection.execute("SELECT pipeline FROM runs").fetchall() == [(WHOLE,)]


def test_an_older_database_is_migrated(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(folder, cache).evaluate(WHOLE)
    changes = (*run_database.MIGRATIONS, "ALTER TABLE runs ADD COLUMN remark TEXT NOT NULL DEFAULT 'old'")
    monkeypatch.setattr(run_database, "MIGRATIONS", changes)
    assert opened(folder, cache).runs()["pipeline"].to_list() == [WHOLE]
    with contextlib.closing(sqlite3.connect(database(cache))) as connection:
        assert connection.execute("SELECT remark FROM runs").fetchall() == [("old",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_unwritable_cache_does_not_change_the_evaluation(folder: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "runs").write_text("a file where the folder should be")
    bench = opened(folder, cache)
    evaluation = bench.evaluate(WHOLE)
    assert evaluation.mean_ap == opened(folder, cache.with_name("other")).evaluate(WHOLE).mean_ap
    assert sum("could not be stored" in warning for warning in evaluation.warnings) == 1
    assert not any("stored in the history" in warning for warning in bench.evaluate(WHOLE).warnings)


def test_a_full_disk_does_not_change_the_evaluation(folder: Path, cache: Path) -> None:
    """A process that may write at most four kilobytes per file completes its evaluation."""
    opened(folder, cache).evaluate(WHOLE)  # its maps are stored
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_on_a_full_disk, args=(folder, cache, sender))
    process.start()
    sender.close()
    assert receiver.poll(120)
    mean_ap, warnings = receiver.recv()
    process.join(60)
    assert any("could not be stored" in warning for warning in warnings)
    assert store.list_runs(cache)["pipeline"].to_list() == [WHOLE]
    assert not any((cache / "runs" / "rankings").glob("*.part"))
    assert mean_ap == opened(folder, cache).evaluate(f"{NETWORK}/max/rmac:2").mean_ap


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["timm", "torchvision", "workbench.bench.bench"])
    return context


def _on_a_full_disk(folder: Path, cache: Path, sender: Connection) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    bench = opened(folder, cache)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    evaluation = bench.evaluate(f"{NETWORK}/max/rmac:2")
    sender.send((evaluation.mean_ap, evaluation.warnings))


def _save_repeatedly(folder: Path, cache: Path, sender: Connection) -> None:
    bench = opened(folder, cache)
    evaluation = bench.evaluate(WHOLE)
    prepared = described(bench, WHOLE)
    sender.send("begun")
    for number in range(100_000):
        about = {**evaluation.provenance, "seed": number}
        store.save_run(cache, prepared, replace(evaluation, provenance=about), 0.0)


def test_the_database_is_intact_after_a_kill_at_any_moment(folder: Path, cache: Path) -> None:
    context = _context()
    for pause in (0.0, 0.03, 0.11):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_save_repeatedly, args=(folder, cache, sender))
        process.start()
        sender.close()
        assert receiver.poll(120) and receiver.recv() == "begun"
        time.sleep(pause)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        table = store.list_runs(cache)
        assert len(table) >= 1
        for name in table["id"]:
            assert len(store.load_rankings(cache, store.load(cache, name))) == COUNT * COUNT
    with contextlib.closing(sqlite3.connect(database(cache))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    opened(folder, cache).evaluate(REGIONS)
    assert REGIONS in set(store.list_runs(cache)["pipeline"])


def test_threads_and_processes_share_the_database(folder: Path, cache: Path) -> None:
    bench = opened(folder, cache)
    evaluation = bench.evaluate(WHOLE)
    prepared = described(bench, WHOLE)
    new_warnings: list[str] = []

    def write(first: int) -> None:
        for number in range(first, first + 10):
            about = {**evaluation.provenance, "seed": number}
            evaluated = store.save_run(cache, prepared, replace(evaluation, provenance=about), 0.0)
            new_warnings.extend(set(evaluated.warnings) - set(evaluation.warnings))
            store.list_runs(cache)

    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_save_repeatedly, args=(folder, cache, sender))
    process.start()
    assert receiver.poll(120) and receiver.recv() == "begun"
    threads = [threading.Thread(target=write, args=(1_000_000 + 10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    written, deadline = set(range(1_000_000, 1_000_040)) | {0, 1}, time.monotonic() + 60
    while not written <= set(store.list_runs(cache)["seed"]) and time.monotonic() < deadline:
        time.sleep(0.05)  # the database does not serve writers in order
    assert process.is_alive()
    process.kill()
    process.join(60)
    assert new_warnings == []
    assert written <= set(store.list_runs(cache)["seed"])
