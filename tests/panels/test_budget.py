"""The budget panel without a browser, on a bench of generated images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benches import opened
from tests.support.pictures import folder_of
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.budget.panel import EMPTY, BudgetPanel
from workbench.panels.layout import budget_panel

PIPELINE = "efficientnet_lite0/max/whole"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 8, kinds=2)
    return opened(folder, tmp_path_factory.mktemp("cache"), size=64)


def test_ways_of_asking_are_measured_at_a_click_for_the_pipeline_now(session: Session) -> None:
    panel = BudgetPanel(session)
    assert (panel.plot.figure, panel.plot.empty, panel.table.layout.display) == (None, EMPTY, "none")
    assert "6 codes sent or held, for 8 queries, about" in panel.note.lines[0]["text"]
    panel.codes.value = "lsh:64, pq:7 lsh:64"
    assert "2 codes" in panel.note.lines[0]["text"]
    panel.go.click()
    settled(session)
    rows = {row["id"]: row for row in panel.table.rows}
    assert list(rows)[6:] == [
        *("vector, fp32", "vector, fp16", "vector, int8", "code, lsh:64", "on the phone, lsh:64")
    ]
    exact = session.bench.evaluate(PIPELINE, localise=False).mean_ap
    assert rows["vector, fp32"]["cells"]["mean_ap"] == f"{100 * exact:.1f}"
    assert rows["code, lsh:64"]["cells"]["bytes_up"] == "8 B"
    assert rows["on the phone, lsh:64"]["cells"]["bytes_up"] == "–"
    assert rows["JPEG, 512 px, q 90"]["cells"]["phone_10000"] == "–"
    held = rows["on the phone, lsh:64"]["order"]
    assert held["phone_1000000"] - held["phone_10000"] == 8 * 990_000
    assert panel.plot.figure is not None and panel.table.layout.display is None
    assert "pq:7 is not possible here" in panel.note.lines[1]["text"]
    session.pipeline = f"{PIPELINE}/ivf:4/aqe:5"
    assert not panel.plot.stale  # the index and re-ranking do not count
    session.pipeline = "efficientnet_lite0/mean/whole"
    assert panel.plot.stale and panel.table.stale and PIPELINE in panel.note.lines[0]["text"]
    settled(session)
    panel.codes.value = "hnsw:<img>"
    panel.go.click()
    assert session.wait(120)
    assert session.failed and "hnsw:<img>" in session.message
    assert panel.plot.stale  # what was measured before is still shown
    session.cancel()


def test_a_cancelled_measurement_leaves_the_panel_ready(session: Session) -> None:
    panel = BudgetPanel(session)

    def stop(change: dict) -> None:
        if panel.lane in change["new"] and change["new"][panel.lane].what == "Encoding JPEG queries":
            session.cancel(panel.lane)

    session.observe(stop, "jobs")
    panel.go.click()
    settled(session)
    assert session.message.startswith("Cancelled") and panel.measured is None
    assert not panel.go.disabled


def test_without_ground_truth_the_panel_says_so(tmp_path: Path) -> None:
    bench = opened(folder_of(tmp_path / "photos", 3), tmp_path / "cache", labels="none")
    session = Session(bench, pipeline=PIPELINE)
    configuration, *_, landmark = budget_panel(bench, session).children[:4]
    assert configuration.children[0].region == "Configuration"
    title, (_, go), note = landmark.children[0], landmark.children[1].children, landmark.children[2]
    assert title.region == "Phone budget" and go.disabled
    assert "Needs ground truth" in note.lines[0]["text"]
    session.cancel()
    assert session.wait(60)
