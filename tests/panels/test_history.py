"""The History panel as a plain object, on a real bench: its handlers called as plain methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.panels.history.panel import History, file_named
from workbench.panels.session import Session
from workbench.runs import store

WHOLE, REGIONS = f"{NETWORK}/max/whole", f"{NETWORK}/mean/rmac:2/pcaw:8"


def opened(folder: Path, cache: Path, labels: str = "folders") -> Bench:
    return wb.open(folder, labels=labels, cache=cache, size=128, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)


@pytest.fixture
def bench(folder: Path, tmp_path: Path) -> Bench:
    return opened(folder, tmp_path / "cache")


@pytest.fixture
def made() -> Iterator[Callable[[Bench], History]]:
    sessions: list[Session] = []

    def history(bench: Bench) -> History:
        sessions.append(Session(bench, pipeline=WHOLE))
        return settled(History(sessions[-1]))

    yield history
    for session in sessions:
        assert session.wait(120)


def settled(history: History) -> History:
    assert history.session.wait(120)
    return history


def texts(history: History) -> str:
    return "\n".join(entry["text"] for entry in history.about.lines)


def test_a_new_evaluation_comes_into_the_list(bench: Bench, made: Callable[[Bench], History]) -> None:
    history = made(bench)
    assert history.listed.rows == [] and "press Run" in history.listed.empty
    history.session.refresh()
    settled(history)
    settled(history)  # the evaluation came in one lane, the list in another
    history.session.pipeline = REGIONS
    settled(history)
    settled(history)
    cells = [row["cells"] for row in history.listed.rows]
    assert [one["pipeline"] for one in cells] == [REGIONS, WHOLE]
    assert cells[1]["mean_ap"] == f"{100 * bench.evaluate(WHOLE).mean_ap:.1f}"
    assert not history.session.failed, history.session.message


def test_a_run_is_read_and_two_are_held_against_each_other(
    bench: Bench, made: Callable[[Bench], History]
) -> None:
    for pipeline in (WHOLE, REGIONS):
        bench.evaluate(pipeline)
    history = made(bench)
    second, first = (row["id"] for row in history.listed.rows)
    assert history.reopen.disabled and history.tables.layout.display == "none"
    history.pick(first)
    settled(history)
    assert "12 images, 12 queries" in texts(history) and "never trained" in texts(history)
    assert (history.reopen.disabled, history.reopen.description) == (False, "Reopen")
    history.pick(second)
    settled(history)
    difference = bench.compare([WHOLE, REGIONS]).difference(0, 1)
    assert history.about.lines[0]["text"] == difference.sentence("B")
    assert "whitening.0.kind: – → pcaw" in texts(history)
    assert history.tables.layout.display == "grid"
    by_measure = {row["id"]: row["cells"] for row in history.measures.rows}
    assert by_measure["mAP"]["difference"] == f"{100 * difference.mean:+.1f}".replace("-", "−")
    assert len(history.queries.rows) == 12
    history.pick(first)  # picked once more: no longer chosen
    settled(history)
    assert history.listed.chosen == [second]
    assert history.tables.layout.display == "none"
    assert REGIONS in texts(history)


def test_of_three_picked_the_first_gives_way(bench: Bench, made: Callable[[Bench], History]) -> None:
    for pipeline in (WHOLE, REGIONS, f"{NETWORK}/mean/whole"):
        bench.evaluate(pipeline)
    history = made(bench)
    ids = [row["id"] for row in history.listed.rows]
    for one in ids:
        history.pick(one)
    assert history.listed.chosen == ids[1:]
    settled(history)


def test_one_run_is_reopened_and_two_are_compared(bench: Bench, made: Callable[[Bench], History]) -> None:
    for pipeline in (REGIONS, WHOLE):
        bench.evaluate(pipeline)
    history = made(bench)
    first, second = (row["id"] for row in history.listed.rows)
    history.pick(second)
    history.open_runs(None)
    assert history.session.pipeline == REGIONS
    history.pick(first)
    history.open_runs(None)
    session = settled(history).session
    assert (session.pipeline, session.compared) == (WHOLE, (REGIONS, WHOLE))
    assert (session.a, session.b) == (REGIONS, WHOLE)


def test_a_run_of_another_collection_is_reopened_here_and_that_is_said(
    bench: Bench, tmp_path: Path, made: Callable[[Bench], History]
) -> None:
    opened(folder_of(tmp_path / "others", 6, kinds=2), tmp_path / "cache").evaluate(REGIONS)
    bench.evaluate(WHOLE)
    history = made(bench)
    mine, other = (row["id"] for row in history.listed.rows)
    history.pick(other)
    settled(history)
    history.open_runs(None)
    assert history.session.pipeline == REGIONS
    assert "'others'" in history.session.message
    settled(history)
    history.pick(mine)
    settled(history)
    assert history.session.failed and "are not comparable" in history.session.message


def test_a_query_of_the_difference_is_opened(bench: Bench, made: Callable[[Bench], History]) -> None:
    history = made(bench)
    history.open_query("kind1/004.jpg")
    assert history.session.query == "kind1/004.jpg"
    with pytest.raises(WorkbenchError, match=r"'gone\.jpg' is not in"):
        history.open_query("gone.jpg")


def test_session_and_report_are_written_where_the_fields_say(
    bench: Bench, tmp_path: Path, made: Callable[[Bench], History]
) -> None:
    history = made(bench)
    session = history.session
    history.session_file.value = str(tmp_path / "mine")
    history.save(None)
    assert str(tmp_path / "mine.json") in session.message and not session.failed
    session.pipeline = REGIONS
    history.restore(None)
    assert session.pipeline == WHOLE and not session.failed
    text = (tmp_path / "mine.json").read_text()
    (tmp_path / "mine.json").write_text(text.replace('"image": ""', '"image": "gone.jpg"'))
    history.restore(None)
    assert session.failed and "'gone.jpg'" in session.message
    settled(history)
    history.report_file.value = str(tmp_path / "page.html")
    history.report(None)
    settled(history)
    assert not session.failed and "1 pipeline" in session.message
    assert WHOLE.split("/")[0] in (tmp_path / "page.html").read_text()
    session.compared = (WHOLE, REGIONS)
    history.report(None)
    settled(history)
    assert "2 pipelines" in session.message
    history.report_file.value = str(tmp_path / "nowhere" / "page.html")
    history.report(None)
    settled(history)
    assert session.failed and "cannot be written" in session.message


def test_names_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert file_named(" report.v2 ", ".html") == Path("report.v2.html")
    assert file_named("~/a/report.HTML", ".html") == Path("/home/someone/a/report.HTML")
    assert file_named("work.ipynb", ".json") == Path("work.ipynb.json")  # never over a notebook
    with pytest.raises(WorkbenchError, match="needs a name"):
        file_named("  ", ".json")


def test_a_damaged_history_is_said_and_the_panel_stays(
    bench: Bench, made: Callable[[Bench], History]
) -> None:
    bench.evaluate(WHOLE)
    history = made(bench)
    store.database_path(bench.options.cache).write_bytes(b"rubbish" * 1000)
    history.refresh(None)
    settled(history)
    assert history.session.failed and "cannot be read" in history.session.message
    history.session.pipeline = REGIONS
    settled(history)
    settled(history)
    assert [row["cells"]["pipeline"] for row in history.listed.rows] == [REGIONS]


def test_without_ground_truth_the_report_says_what_is_missing(
    folder: Path, tmp_path: Path, made: Callable[[Bench], History]
) -> None:
    history = made(opened(folder, tmp_path / "cache", labels="none"))
    history.report_file.value = str(tmp_path / "report.html")
    history.report(None)
    settled(history)
    assert history.session.failed and "no ground truth" in history.session.message
    assert not (tmp_path / "report.html").exists()
