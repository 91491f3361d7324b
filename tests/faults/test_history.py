"""The history with damaged values, on a full or read-only disk, locked, and of two folders of one name."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.benches import opened
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.cli.main import main
from workbench.config.errors import WorkbenchError
from workbench.panels.history.panel import History
from workbench.panels.session import Session
from workbench.runs import database, store

PIPELINES = [f"{NETWORK}/max/whole", f"{NETWORK}/mean/whole"]
DAMAGED: dict[str, list[object]] = {
    "time": ["yesterday", None, b"\xff", 5],
    "collection": [b"\xff\xfe"],
    "pipeline": [b"\x00\xff"],
    "mean_ap": ["high", b"\xff"],
    "seconds": ["long", None, 9e999],
    "seed": ["none", b"\xff", 1e300],
    "metrics": ["", "[]", "{", "5", b"\xff", '{"mAP": "high"}', "[" * 100_000],
    "per_query": ["null", '{"query": 5}', '{"ap": [1]}', '{"query": ["a"], "ap": ["x"]}', '"'],
    "provenance": ["", "[1]", b"\xff\xff"],
    "warnings": ["5", ""],
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("one") / "photos", 8, kinds=2)


@pytest.fixture
def cache(photos: Path, tmp_path: Path) -> Path:
    """A cache with two runs."""
    bench = opened(photos, tmp_path / "cache")
    for pipeline in PIPELINES:
        bench.evaluate(pipeline)
    return tmp_path / "cache"


def damage(cache: Path, column: str, value: object) -> None:
    """Write a value into a column of the first pipeline's run."""
    with contextlib.closing(sqlite3.connect(store.database_path(cache))) as connection, connection:
        connection.execute(f"UPDATE OR IGNORE runs SET {column} = ? WHERE id = ?", (value, run_id(cache)))


def run_id(cache: Path) -> str:
    """The id of the first pipeline's run."""
    return str(store.list_runs(cache).set_index("pipeline").loc[PIPELINES[0], "id"])


@pytest.mark.parametrize("column", DAMAGED)
def test_a_damaged_value_hides_no_other_run(
    column: str, photos: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intact = set(store.list_runs(cache)["id"])
    name = run_id(cache)
    for value in DAMAGED[column]:
        with contextlib.suppress(sqlite3.IntegrityError):  # NOT NULL
            damage(cache, column, value)
        table = store.list_runs(cache)
        assert intact - set(table["id"]) <= {name}
        if name not in set(table["id"]):
            assert table.attrs["damaged"] == [name]
            (note,) = store.damage_notes(table)
            assert name in note and "1 run has damaged values" in note
            main_prints(["runs", "--cache", str(cache)])
            assert name in capsys.readouterr().out
        try:
            store.load(cache, name)
        except WorkbenchError as error:
            assert name in str(error) and "damaged values" in str(error) and "\n" not in str(error)
        # The same evaluation repairs its row, whatever stands there.
        evaluation = opened(photos, cache).evaluate(PIPELINES[0])
        assert not any("could not be stored" in warning for warning in evaluation.warnings)
        assert set(store.list_runs(cache)["id"]) == intact
        assert store.load(cache, name).mean_ap == evaluation.mean_ap


def main_prints(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


def test_the_panel_shows_the_rest_of_a_damaged_history(photos: Path, cache: Path) -> None:
    name = run_id(cache)
    damage(cache, "seed", "none")
    session = Session(opened(photos, cache), pipeline=PIPELINES[1])
    panel = History(session)
    assert session.wait(60)
    assert [row["cells"]["pipeline"] for row in panel.listed.rows] == PIPELINES[1:]
    assert any(name in str(line) and "damaged values" in str(line) for line in panel.about.lines)


def test_a_locked_history_costs_no_evaluation(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.2)
    with contextlib.closing(sqlite3.connect(store.database_path(cache))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        evaluation = opened(photos, cache).evaluate(f"{NETWORK}/gem:3/whole")
    assert any("could not be stored in the history: database is locked" in w for w in evaluation.warnings)
    assert len(store.list_runs(cache)) == 2


@pytest.fixture
def read_only(cache: Path) -> Iterator[Path]:
    """The cache, mounted so that nothing can be written."""
    mount = ["mount", "--bind", str(cache), str(cache)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs a read-only file system: not root, or mounting is not allowed")
    try:
        if subprocess.run(["mount", "-o", "remount,ro,bind", str(cache)], capture_output=True).returncode:
            pytest.skip("needs a read-only file system: it cannot be mounted")
        yield cache
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def test_a_read_only_cache_shows_its_history_and_its_maps(photos: Path, read_only: Path) -> None:
    bench = opened(photos, read_only)
    assert sorted(bench.runs()["pipeline"]) == sorted(PIPELINES)
    run = store.load(read_only, str(bench.runs()["id"][0]))
    assert len(store.load_rankings(read_only, run)) == 64
    evaluation = bench.evaluate(f"{NETWORK}/max/rmac:2")  # of stored maps
    assert 0 <= evaluation.mean_ap <= 1
    assert any("could not be stored in the history" in warning for warning in evaluation.warnings)


def test_two_folders_of_one_name_are_told_apart(
    photos: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = folder_of(tmp_path / "two" / "photos", 10, kinds=2)
    opened(other, cache).evaluate(PIPELINES[0])
    newest, *_, oldest = store.list_runs(cache)["id"]
    a, b = store.load(cache, oldest), store.load(cache, newest)
    assert (a.collection, a.root, b.root) == (b.collection, str(photos), str(other))
    (note,) = store.diff(a, b).notes
    assert str(photos) in note and str(other) in note and "different folders" in note
    main_prints(["runs", "--cache", str(cache), "--diff", oldest, newest])
    assert "different folders of the name 'photos'" in " ".join(capsys.readouterr().out.split())
    main_prints(["runs", "--cache", str(cache), "--diff", oldest, newest, "--json"])
    assert json.loads(capsys.readouterr().out)["notes"] == [note]
    assert store.diff(a, store.load(cache, store.list_runs(cache)["id"][1])).notes == []


def test_a_changed_folder_and_an_unknown_one_are_said(cache: Path, tmp_path: Path) -> None:
    changing = folder_of(tmp_path / "changing", 8, kinds=2)
    opened(changing, cache).evaluate(PIPELINES[0])
    before = store.load(cache, str(store.list_runs(cache)["id"][0]))
    (changing / "kind0" / "000.jpg").unlink()
    opened(changing, cache).evaluate(PIPELINES[0])
    after = store.load(cache, str(store.list_runs(cache)["id"][0]))
    (note,) = store.diff(before, after).notes
    assert "have changed between the two runs" in note and str(changing) in note
    with contextlib.closing(sqlite3.connect(store.database_path(cache))) as connection, connection:
        (about,) = connection.execute("SELECT provenance FROM runs WHERE id = ?", (before.id,)).fetchone()
        old = {key: value for key, value in json.loads(about).items() if key != "root"}
        connection.execute("UPDATE runs SET provenance = ? WHERE id = ?", (json.dumps(old), before.id))
    (note,) = store.diff(store.load(cache, before.id), after).notes
    assert "it is unknown whether" in note and before.id in note
