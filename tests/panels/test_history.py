"""The history panel without a browser, on a bench of generated images."""

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
from workbench.panels.widgets.page_link import PageLink
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
def new_history() -> Iterator[Callable[[Bench], History]]:
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


def test_new_evaluation_is_added_to_the_list(bench: Bench, new_history: Callable[[Bench], History]) -> None:
    history = new_history(bench)
    assert history.listed.rows == [] and "press Run" in history.listed.empty
    history.session.refresh()
    settled(history)
    settled(history)  # evaluation and list are computed in different lanes
    history.session.pipeline = REGIONS
    settled(history)
    settled(history)
    cells = [row["cells"] for row in history.listed.rows]
    assert [row["pipeline"] for row in cells] == [REGIONS, WHOLE]
    assert cells[1]["mean_ap"] == f"{100 * bench.evaluate(WHOLE).mean_ap:.1f}"
    assert not history.session.failed, history.session.message


def test_one_run_is_described_and_two_are_compared(
    bench: Bench, new_history: Callable[[Bench], History]
) -> None:
    for pipeline in (WHOLE, REGIONS):
        bench.evaluate(pipeline)
    history = new_history(bench)
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
    history.pick(first)  # picking a chosen run again releases it
    settled(history)
    assert history.listed.chosen == [second]
    assert history.tables.layout.display == "none"
    assert REGIONS in texts(history)


def test_third_picked_run_replaces_the_first(bench: Bench, new_history: Callable[[Bench], History]) -> None:
    for pipeline in (WHOLE, REGIONS, f"{NETWORK}/mean/whole"):
        bench.evaluate(pipeline)
    history = new_history(bench)
    ids = [row["id"] for row in history.listed.rows]
    for run in ids:
        history.pick(run)
    assert history.listed.chosen == ids[1:]
    settled(history)


def test_one_run_is_reopened_and_two_are_added_to_the_comparison(
    bench: Bench, new_history: Callable[[Bench], History]
) -> None:
    for pipeline in (REGIONS, WHOLE):
        bench.evaluate(pipeline)
    history = new_history(bench)
    first, second = (row["id"] for row in history.listed.rows)
    history.pick(second)
    history.open_runs(None)
    assert history.session.pipeline == REGIONS
    history.pick(first)
    history.open_runs(None)
    session = settled(history).session
    assert (session.pipeline, session.compared) == (WHOLE, (REGIONS, WHOLE))
    assert (session.a, session.b) == (REGIONS, WHOLE)


def test_run_of_another_collection_is_reopened_with_a_message(
    bench: Bench, tmp_path: Path, new_history: Callable[[Bench], History]
) -> None:
    opened(folder_of(tmp_path / "others", 6, kinds=2), tmp_path / "cache").evaluate(REGIONS)
    bench.evaluate(WHOLE)
    history = new_history(bench)
    current, foreign = (row["id"] for row in history.listed.rows)
    history.pick(foreign)
    settled(history)
    history.open_runs(None)
    assert history.session.pipeline == REGIONS
    assert "'others'" in history.session.message
    settled(history)
    history.pick(current)
    settled(history)
    assert history.session.failed and "are not comparable" in history.session.message


def test_query_of_the_difference_is_opened(bench: Bench, new_history: Callable[[Bench], History]) -> None:
    history = new_history(bench)
    history.open_query("kind1/004.jpg")
    assert history.session.query == "kind1/004.jpg"
    with pytest.raises(WorkbenchError, match=r"'gone\.jpg' is not in"):
        history.open_query("gone.jpg")


def test_session_and_report_are_written_to_the_given_paths(
    bench: Bench, tmp_path: Path, new_history: Callable[[Bench], History]
) -> None:
    history = new_history(bench)
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


def test_file_names_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert file_named(" report.v2 ", ".html") == Path("report.v2.html")
    assert file_named("~/a/report.HTML", ".html") == Path("/home/someone/a/report.HTML")
    assert file_named("work.ipynb", ".json") == Path("work.ipynb.json")  # a notebook is never overwritten
    with pytest.raises(WorkbenchError, match="needs a name"):
        file_named("  ", ".json")


def test_damaged_history_is_reported_and_the_panel_recovers(
    bench: Bench, new_history: Callable[[Bench], History]
) -> None:
    bench.evaluate(WHOLE)
    history = new_history(bench)
    store.database_path(bench.options.cache).write_bytes(b"rubbish" * 1000)
    history.refresh(None)
    settled(history)
    assert history.session.failed and "cannot be read" in history.session.message
    history.session.pipeline = REGIONS
    settled(history)
    settled(history)
    assert [row["cells"]["pipeline"] for row in history.listed.rows] == [REGIONS]


def test_report_without_ground_truth_names_what_is_missing(
    folder: Path, tmp_path: Path, new_history: Callable[[Bench], History]
) -> None:
    history = new_history(opened(folder, tmp_path / "cache", labels="none"))
    history.report_file.value = str(tmp_path / "report.html")
    history.report(None)
    settled(history)
    assert history.session.failed and "no ground truth" in history.session.message
    assert not (tmp_path / "report.html").exists()


def test_saved_report_is_sent_to_the_browser_unless_it_has_changed(tmp_path: Path) -> None:
    link, sent = PageLink(), []
    link.send = lambda content, buffers=(): sent.append((content, [*buffers]))
    link._handle_custom_msg({"open": 0}, [])
    assert sent == [] and link.name == ""
    page = tmp_path / "a\x1bb.html"
    page.write_text("<p>report")
    link.show(page)
    link._handle_custom_msg({"open": 1}, [])
    assert sent.pop() == ({"version": 1}, [b"<p>report"]) and link.name == "a\\x1bb.html"
    page.write_text("<script>of another</script>")
    link._handle_custom_msg({"open": 1}, [])
    page.unlink()
    link._handle_custom_msg({"open": 1}, [])
    assert [content["error"].split(":")[0] for content, buffers in sent if not buffers] == [
        "a\\x1bb.html has changed since it was saved here",
        "a\\x1bb.html is no longer there",
    ]
