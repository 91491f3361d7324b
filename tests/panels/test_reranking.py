"""The panel of re-rankers without a browser, on a bench of generated images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.benches import opened
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.layout import reranking_panel
from workbench.panels.reranking.panel import EMPTY, RerankingPanel

PIPELINE = "efficientnet_lite0/max/whole"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 8, kinds=2)
    return opened(folder, tmp_path_factory.mktemp("cache"), size=128)


def settled(session: Session) -> None:
    assert session.wait(120)


def test_methods_are_measured_and_one_is_looked_at(session: Session) -> None:
    session.refresh()
    settled(session)
    panel = RerankingPanel(session)
    assert (panel.plot.figure, panel.plot.empty, panel.table.layout.display) == (None, EMPTY, "none")
    assert "15 methods on the first results of 8 queries, about" in panel.note.lines[0]["text"]
    panel.methods.value = "aqe:2 sv:4, sv-affine-single:4 pq:4"
    panel.go.click()
    settled(session)
    assert not session.failed, session.message
    rows = {row["id"]: row["cells"] for row in panel.table.rows}
    assert list(rows) == ["none", "aqe:2", "sv:4", "sv-affine-single:4"]
    exact = session.bench.evaluate(f"{PIPELINE}/sv:4", localise=False).mean_ap
    assert rows["sv:4"]["mean_ap"] == f"{100 * exact:.1f}" and rows["aqe:2"]["pair_milliseconds"] == "–"
    assert "pq:4 is not possible here" in panel.note.lines[1]["text"]
    best = max(list(rows)[1:], key=lambda name: float(rows[name]["mean_ap"]))
    assert [side["title"] for side in panel.effect.rankings.sides] == ["without re-ranking", best]
    panel.look("sv:4")
    settled(session)
    before, after = panel.effect.rankings.sides
    assert after["title"] == "sv:4" and len(before["figures"]) == len(after["figures"]) > 0
    whole = session.bench.search(session.query, pipeline=f"{PIPELINE}/sv:4")
    assert [f["name"] for f in after["figures"]] == whole["image_id"].head(10).tolist()
    match = session.bench.match(session.query, panel.effect.rankings.current, pipeline=f"{PIPELINE}/sv:4")
    assert panel.effect.words.lines[-1]["text"].endswith(match.outcome)
    assert panel.effect.view.counts == [len(match.query), len(match.image)]
    session.pipeline = f"{PIPELINE}/sv:2"
    assert not panel.table.stale  # the re-ranking of the pipeline does not count
    session.pipeline = "efficientnet_lite0/mean/whole"
    assert panel.plot.stale and panel.table.stale and panel.effect.rankings.stale
    settled(session)
    assert panel.effect.rankings.stale and PIPELINE in panel.note.lines[0]["text"]
    session.cancel()


def test_an_example_becomes_the_query_and_the_image(session: Session) -> None:
    session.refresh()
    settled(session)
    panel = RerankingPanel(session)
    panel.methods.value = "sv:4"
    panel.go.click()
    settled(session)
    assert panel.measured is not None
    examples = panel.measured.reranking.examples
    assert len(panel.examples.rows) == len(examples)
    if len(examples):
        panel.open("0")
        settled(session)
        pair = (session.query, session.image)
        assert pair == (examples.iloc[0]["query"], examples.iloc[0]["image"])
        assert [side["name"] for side in panel.effect.view.sides] == list(pair)
    session.cancel()


def test_without_ground_truth_the_panel_says_so(tmp_path: Path) -> None:
    bench = opened(folder_of(tmp_path / "photos", 3), tmp_path / "cache", labels="none")
    session = Session(bench, pipeline=PIPELINE)
    *_, landmark = reranking_panel(bench, session).children[:4]
    title, (_, go), note = landmark.children[0], landmark.children[1].children, landmark.children[2]
    assert title.region == "Re-rankers" and go.disabled and "Needs ground truth" in note.lines[0]["text"]
    session.cancel()
    assert session.wait(60)
