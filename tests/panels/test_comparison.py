"""The comparison panel without a browser, on a bench of generated images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench
from tests.support.pictures import noise_of
from workbench.bench.bench import Bench
from workbench.panels.ap_pairs import paired
from workbench.panels.comparison import queue
from workbench.panels.comparison.charts import lines
from workbench.panels.comparison.pair import short_names
from workbench.panels.comparison.panel import Comparison
from workbench.panels.session import Session
from workbench.panels.widgets.rankings import FIRST

PIPELINE = MAX = "efficientnet_lite0/max/rmac:2"
MEAN, WHOLE = (f"efficientnet_lite0/{rest}" for rest in ("mean/rmac:2", "mean/whole"))
NO_LAYER = "efficientnet_lite0@nolayer/max/whole"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four kinds of noise with six images each, in a folder for each kind; one name contains HTML."""
    root = noise_of(tmp_path_factory.mktemp("photos"), 4, 6, spread=70)
    (root / "kind 0" / "00.jpg").rename(root / "kind 0" / "<b>.jpg")
    return root


def settled(session: Session) -> None:
    assert session.wait(120)
    assert not session.failed, session.message


def rows(panel: Comparison) -> dict[str, dict]:
    return {row["id"]: row for row in panel.table.rows}


# The table


def test_added_pipelines_are_evaluated_and_removed_ones_dropped(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    assert panel.table.rows == []
    panel.add.click()
    session.compared = (*session.compared, MEAN)  # as if another panel added it
    settled(session)
    assert set(session.compared) == set(rows(panel)) == {MAX, MEAN}
    evaluation = bench.evaluate(MEAN)
    row = rows(panel)[MEAN]
    assert row["cells"]["mAP"].removeprefix("★ ") == f"{100 * evaluation.mean_ap:.1f}"
    assert row["cells"]["mP@10"] == f"{100 * evaluation.metrics['mP@10']:.1f}"
    assert row["cells"]["bytes"] == "5,120"  # 1280 channels of 4 bytes
    assert row["order"]["milliseconds"] > 0
    best = max((MAX, MEAN), key=lambda p: bench.evaluate(p).mean_ap)
    assert [name for name, row in rows(panel).items() if row["cells"]["mAP"].startswith("★")] == [best]
    assert {session.a, session.b} == {MAX, MEAN} and session.b == best

    panel.choose(MAX)
    details = " ".join(entry["text"] for entry in panel.detail.lines)
    assert panel.table.chosen == [MAX]
    assert "24 images, 24 queries" in details and "1,280 numbers" in details
    panel.remove.click()
    settled(session)
    assert set(session.evaluations) == set(rows(panel)) == {MEAN}
    assert (panel.table.chosen, panel.about.layout.display) == ([], "none")


def test_failed_pipeline_has_a_row_with_its_error_and_others_are_evaluated(session: Session) -> None:
    panel = Comparison(session)
    session.compared = (NO_LAYER, MAX, "resnet18@random/max/proposals:20", WHOLE)
    settled(session)
    table = rows(panel)
    assert "nolayer" in table[NO_LAYER]["said"]
    assert "none come with this backbone" in table["resnet18@random/max/proposals:20"]["said"]
    assert "mAP" in table[MAX]["cells"] and "mAP" in table[WHOLE]["cells"]
    assert {session.a, session.b} == {MAX, WHOLE}
    assert set(panel.versus.a.options) == {MAX, WHOLE}
    panel.choose(NO_LAYER)
    assert panel.detail.lines[-1] == {"text": table[NO_LAYER]["said"], "kind": "error"}


def test_panels_of_a_session_share_evaluations(session: Session) -> None:
    panel, twin = Comparison(session), Comparison(session)
    panel.add.click()
    twin.session.compared = (*session.compared, WHOLE)
    settled(session)
    assert panel.table.rows == twin.table.rows
    assert all("mAP" in row["cells"] for row in panel.table.rows)


# A grid of pipelines


def test_grid_is_counted_and_run_and_its_best_two_are_compared(session: Session) -> None:
    panel = Comparison(session)
    chips = panel.search.chips
    assert {label: chip.chosen for label, chip in chips.items()} == {
        "Backbones": ["efficientnet_lite0"],
        "Poolings": ["max"],
        "Region grids": ["rmac:2"],
        "Weightings": [""],
        "Whitenings": [""],
        "Re-rankings": [""],
    }
    chips["Poolings"].chosen = ["max", "mean", "code"]
    chips["Region grids"].chosen = ["whole", "rmac:2"]
    assert panel.search.text.lines[0]["text"].startswith("5 pipelines")
    assert panel.search.text.lines[1]["text"].startswith("1 combination left out: ")
    panel.search.run.click()
    settled(session)
    assert len(rows(panel)) == len(session.compared) == 5
    order = sorted(session.evaluations.values(), key=lambda e: -e.mean_ap)
    assert (session.b, session.a) == (order[0].pipeline, order[1].pipeline)
    assert panel.search.text.lines[0]["text"] == "5 pipelines, evaluated already"
    assert panel.search.run.disabled
    figure = panel.search.figure.plot.figure  # a row of intervals for each pooling, by the regions
    assert figure is not None and figure.layout.title.text == "mAP by pooling and regions"
    assert {name for trace in figure.data for name in trace.ids} == set(session.compared)
    chips["Poolings"].chosen = []
    assert "at least one" in panel.search.text.lines[0]["text"] and panel.search.run.disabled


def test_options_written_by_hand_are_a_line_over_numbers(session: Session) -> None:
    panel = Comparison(session)
    search = panel.search
    search.more.value = "gem:1,2,5 rmac:1 aqe:2"
    assert search.chips["Poolings"].chosen == ["max", "gem:1", "gem:2", "gem:5"] and search.more.value == ""
    assert search.chips["Region grids"].chosen == ["rmac:2", "rmac:1"]
    search.chips["Poolings"].chosen = ["gem:1", "gem:2", "gem:5"]
    search.chips["Region grids"].chosen, search.chips["Re-rankings"].chosen = ["rmac:1"], [""]
    search.run.click()
    settled(session)
    figure = search.figure.plot.figure
    assert figure is not None
    line = figure.data[-1]
    assert list(line.x) == [1, 2, 5] and figure.layout.xaxis.title.text == "pooling (gem:…)"
    assert list(line.ids) == [f"efficientnet_lite0/gem:{p}/rmac:1" for p in (1, 2, 5)]
    version = search.figure.plot.version
    search.figure.plot._handle_custom_msg({"pick": [len(figure.data) - 1, 1], "version": version}, [])
    assert panel.table.chosen == ["efficientnet_lite0/gem:2/rmac:1"]
    search.more.value = "<img src=x>"
    assert session.failed and "is not an option" in session.message
    search.more.value = "gem:0"
    assert session.failed and "gem" in session.message


def test_cancelled_grid_keeps_finished_evaluations(session: Session) -> None:
    panel = Comparison(session)
    arrived: list[bool] = []

    def stop(_: object) -> None:
        if len(queue.evaluated(session)) == 2 and not arrived:
            arrived.append(True)
            session.cancel(queue.LANE)

    session.observe(stop, "waiting")
    panel.search.chips["Poolings"].chosen = ["max", "mean", "gem:3", "crow"]
    panel.search.run.click()
    assert session.wait(120)
    assert session.message.startswith("Cancelled.")
    assert session.waiting == ()
    assert len(session.compared) == len(rows(panel)) == 2
    assert all("mAP" in row["cells"] for row in panel.table.rows)
    assert panel.search.figure.plot.figure is not None
    assert "2 of 4 pipelines evaluated" in panel.search.figure.plot.figure.layout.title.subtitle.text
    panel.search.run.click()  # continues with the other two
    settled(session)
    assert len(queue.evaluated(session)) == 4


# Pipelines A and B


def test_a_and_b_are_compared_by_query_in_text_and_charts(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    session.compared, session.a, session.b = (MAX, WHOLE), MAX, WHOLE
    settled(session)
    versus = panel.versus
    assert (session.a, session.b) == (versus.a.value, versus.b.value) == (MAX, WHOLE)
    expected = bench.compare([MAX, WHOLE]).difference(MAX, WHOLE)
    assert versus.sentence.lines[0]["text"] == expected.sentence()
    gains = [row["order"]["gain"] for row in versus.queries.rows]
    assert len(gains) == 24 and gains == sorted(gains)
    assert [c["name"] for c in versus.gains.columns] == [row["id"] for row in versus.queries.rows]
    assert np.allclose([c["b"] - c["a"] for c in versus.gains.columns], 100 * np.array(gains))
    assert [(line["name"], line["tone"]) for line in versus.curves.lines] == [
        ("max/rmac:2", "a"),
        ("mean/whole", "b"),
    ]
    assert np.allclose(versus.curves.lines[0]["y"], 100 * bench.evaluate(MAX).curves[""], atol=0.005)
    versus.b.value = MAX  # choosing the pipeline of A for B swaps the two
    settled(session)
    assert (session.a, session.b) == (WHOLE, MAX)


def test_query_is_opened_under_both_pipelines_and_an_image_studied(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    session.compared = (MAX, WHOLE)
    settled(session)
    query = panel.versus.queries.rows[-1]["id"]
    panel.versus.gains._handle_custom_msg({"pick": query}, [])
    settled(session)
    assert session.query == query
    assert panel.versus.queries.chosen == [query] and panel.versus.gains.current == query
    assert not panel.versus.rankings.duel.stale
    first, second = (bench.search(query, pipeline=p, k=None) for p in (session.a, session.b))
    left, right = panel.versus.rankings.duel.sides
    assert [figure["name"] for figure in left["figures"]] == list(first["image_id"])[:FIRST]
    ranks = dict(zip(second["image_id"], second["rank"], strict=True))
    assert [figure["other"] for figure in left["figures"]] == [ranks[f["name"]] for f in left["figures"]]
    assert all(figure["picture"].startswith(b"\xff\xd8") for figure in right["figures"])
    shared = set(first["image_id"][:FIRST]) & set(second["image_id"][:FIRST])
    assert panel.versus.rankings.words.lines[1]["text"].startswith(
        f"{len(shared)} of the first 10 images are the same"
    )


def test_rankings_can_be_compared_without_ground_truth(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline=MAX)
    panel = Comparison(session)
    assert "no ground truth" in panel.note.lines[0]["text"]
    assert panel.searching.disabled
    panel.add.click()
    session.pipeline = WHOLE
    panel.add.click()
    settled(session)
    assert (session.a, session.b, session.evaluations) == (MAX, WHOLE, {})
    assert [row["said"] for row in panel.table.rows] == ["", ""]
    assert len(panel.versus.rankings.duel.sides) == 2
    assert "overlap@10" in panel.versus.rankings.words.lines[0]["text"]
    assert panel.versus.evaluated.layout.display == "none"


def test_queries_are_paired_by_name_and_setting() -> None:
    bench_a = _evaluation({"x": 0.1, "y": 0.9, "z": float("nan")})
    bench_b = _evaluation({"y": 0.5, "x": 0.2, "z": 0.3})
    pairs = paired(bench_a, bench_b, "hard")
    assert pairs.set_index("query")["b"].to_dict() == {"x": 0.2, "y": 0.5}


def test_curves_beyond_the_named_ones_are_grey() -> None:
    curves = {f"p{i}": np.full(101, 0.9 - 0.05 * i) for i in range(10)}
    chart_lines = lines(curves, "p3", "p0", {p: p.upper() for p in curves})
    assert [line["name"] for line in chart_lines[:4]] == ["P3", "P0", "P1", "P2"]
    assert [line["tone"] for line in chart_lines] == ["a", "b", 0, 1, 2, 3, 4, 5, -1, -1]
    assert chart_lines[1]["y"] == [90.0] * 101


def test_short_names_omit_a_common_backbone() -> None:
    assert list(short_names([MAX, WHOLE]).values()) == ["max/rmac:2", "mean/whole"]
    both = [MAX, "file:/weights/vgg16.pth/max/whole"]
    assert list(short_names(both).values()) == both
    assert list(short_names(both[1:]).values()) == ["max/whole"]


def _evaluation(aps: dict[str, float]) -> workbench.engine.evaluate.Evaluation:
    import pandas as pd

    table = pd.DataFrame({"query": list(aps), "ap": 0.0, "ap_hard": list(aps.values())})
    return workbench.engine.evaluate.Evaluation("net/max/whole", "none", "revisited", 0.0, {}, table, {}, [])
