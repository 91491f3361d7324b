"""The comparison panel without a browser, on a bench of generated images."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import workbench
from tests.support.pictures import noise_of
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.config.config import Config
from workbench.panels.ap_pairs import paired
from workbench.panels.comparison import queue
from workbench.panels.comparison.example import contrast
from workbench.panels.comparison.panel import Comparison
from workbench.panels.session import Session
from workbench.panels.widgets.rankings import FIRST
from workbench.runs.presets import PUBLISHED_PIPELINES

PIPELINE = MAX = "efficientnet_lite0/max/rmac:2"
MEAN, WHOLE = (f"efficientnet_lite0/{rest}" for rest in ("mean/rmac:2", "mean/whole"))
NO_LAYER = "efficientnet_lite0@nolayer/max/whole"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four kinds of noise with six images each, in a folder for each kind; one name contains HTML."""
    root = noise_of(tmp_path_factory.mktemp("photos"), 4, 6, spread=70)
    (root / "kind 0" / "00.jpg").rename(root / "kind 0" / "<b>.jpg")
    return root


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
    assert "24 images, 24 queries" in details and "1,280 dimensions" in details
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
    _, under_b, under_a = versus.gains.figure.data
    assert list(under_a.ids) == [row["id"] for row in versus.queries.rows]
    assert np.allclose(under_b.y - under_a.y, 100 * np.array(gains))
    curves = {trace.name: trace for trace in versus.curves.figure.data}
    assert set(curves) == {MAX, WHOLE}
    assert np.allclose(curves[MAX].y, 100 * bench.evaluate(MAX).curves[""])
    # A and B have the same colours in both figures.
    assert curves[MAX].line.color == under_a.marker.color
    assert curves[WHOLE].line.color == under_b.marker.color
    assert set(versus.means.figure.data[0].ids) == {MAX, WHOLE}
    versus.b.value = MAX  # choosing the pipeline of A for B swaps the two
    settled(session)
    assert (session.a, session.b) == (WHOLE, MAX)


def test_table_is_saved_in_three_forms(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    assert panel.download.files == []
    session.compared = (MAX, WHOLE)
    settled(session)
    assert panel.download.files == ["Table as CSV", "Table as LaTeX", "Table as Markdown"]
    expected = bench.compare([MAX, WHOLE])
    files = [make() for make in panel.download._makers]
    assert [name.rpartition(".")[2] for name, _ in files] == ["csv", "tex", "md"]
    assert files[0][1].decode() == expected.to_csv()
    version = panel.download.version
    panel.draw(None)
    assert panel.download.version == version  # an open menu stays valid


def test_query_is_opened_under_both_pipelines_and_an_image_studied(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    session.compared = (MAX, WHOLE)
    settled(session)
    query = panel.versus.queries.rows[-1]["id"]
    gains = panel.versus.gains
    place = list(gains.figure.data[2].ids).index(query)
    gains._handle_custom_msg({"pick": [2, place], "version": gains.version}, [])
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


def _evaluation(aps: dict[str, float]) -> workbench.engine.evaluate.Evaluation:
    import pandas as pd

    table = pd.DataFrame({"query": list(aps), "ap": 0.0, "ap_hard": list(aps.values())})
    return workbench.engine.evaluate.Evaluation("net/max/whole", "none", "revisited", 0.0, {}, table, {}, [])


# Rows removed and moved


def test_rows_are_moved_and_removed_from_the_table(session: Session) -> None:
    panel = Comparison(session)
    session.compared = (MAX, MEAN, WHOLE)
    settled(session)
    panel.table._handle_custom_msg({"order": [WHOLE, "of another table", MAX]}, [])
    settled(session)
    assert session.compared == (WHOLE, MAX, MEAN)
    assert [row["id"] for row in panel.table.rows] == [WHOLE, MAX, MEAN]
    assert [trace.name for trace in panel.versus.curves.figure.data][-1] in session.compared
    panel.table._handle_custom_msg({"remove": MAX}, [])
    settled(session)
    assert session.compared == (WHOLE, MEAN) and set(session.evaluations) == {WHOLE, MEAN}


def test_warnings_are_a_button_beside_the_map(session: Session, bench: Bench) -> None:
    panel = Comparison(session)
    session.compared = ("resnet18@random/max/whole", MAX)
    settled(session)
    keys = [column["key"] for column in panel.table.columns]
    assert keys[keys.index("mAP") + 1] == "warnings" and panel.table.columns[0]["frozen"]
    row = rows(panel)["resnet18@random/max/whole"]
    warnings = session.evaluations["resnet18@random/max/whole"].warnings
    assert row["cells"]["warnings"] == f"⚠ {len(warnings)}"
    assert [card["text"] for card in row["cards"]["warnings"][1:]] == [f"⚠ {text}" for text in warnings]
    assert {"bytes", "milliseconds", "mAP", "mP@10"} <= {c["key"] for c in panel.table.columns if "help" in c}


def test_cancelling_does_not_wait_for_a_whitening(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    started, endless = threading.Event(), threading.Event()

    def fit(*_: object, **__: object) -> None:
        started.set()
        endless.wait(60)

    monkeypatch.setattr("workbench.descriptors.whitening.Whitening.fit", fit)
    panel = Comparison(session)
    session.compared = (f"{MAX}/pcaw:8",)
    try:
        assert started.wait(60)
        session.cancel()
        assert session.lane(queue.LANE).wait(30)
        assert not endless.is_set() and "cancelled" in panel.table.rows[0]["said"]
    finally:
        endless.set()


# The example


@pytest.mark.parametrize(
    ("pipeline", "other"),
    [
        ("vgg16/max/rmac:3/pcaw:64", "vgg16/mean/whole/pcaw:64"),
        ("vgg16/gem:3/whole/aqe:5", "vgg16/mean/whole/aqe:5"),
        ("vgg16/mean/whole/centre/ivf:16", "vgg16/max/rmac:3/ivf:16"),
        ("vgg16/max/rmac:5/attention/pcaw:64", "vgg16/mean/whole/pcaw:64"),
        ("sift/bow:4096/whole/sv:100", PUBLISHED_PIPELINES["R-MAC"]),
        ("alexnet@fc6/code/whole", PUBLISHED_PIPELINES["R-MAC"]),
    ],
)
def test_contrast_has_the_opposite_pooling(pipeline: str, other: str) -> None:
    assert contrast(pipeline).pipeline == str(Config.parse(other))


def test_example_is_compared_after_the_first_evaluation(session: Session) -> None:
    panel = Comparison(session)
    order: list[str] = []
    session.observe(lambda change: order.append("evaluation"), "evaluation")
    session.observe(lambda change: order.append("comparison"), "waiting")
    session.refresh()
    settled(session)
    assert order[0] == "evaluation" and session.example == session.compared == (MAX, WHOLE)
    assert all("mAP" in row["cells"] for row in panel.table.rows)
    assert panel.note.lines[0]["text"].startswith("An example: ")
    panel.add.click()  # the user's own
    settled(session)
    assert session.compared == (MAX,) and session.example == () and panel.note.lines == []
    panel.table._handle_custom_msg({"remove": MAX}, [])
    session.refresh()
    settled(session)
    assert session.compared == ()  # it does not come back


def test_example_makes_way_for_other_work_and_other_pipelines(session: Session) -> None:
    panel = Comparison(session)
    interrupted: list[bool] = []

    def work(_: object) -> None:
        if session.waiting and not interrupted:
            interrupted.append(True)
            session.run("another", lambda progress: progress("working", 1, 1))

    session.observe(work, "waiting")
    session.refresh()
    settled(session)
    assert interrupted and session.compared == (MAX, WHOLE)  # begun again, and complete
    session.compare(MEAN)
    settled(session)
    assert session.compared == tuple(queue.evaluated(session)) == (MEAN,)
    assert [row["id"] for row in panel.table.rows] == [MEAN]


def test_own_pipelines_replace_an_example_that_is_being_evaluated(session: Session) -> None:
    panel = Comparison(session)
    added: list[bool] = []

    def add(_: object) -> None:
        if len(session.waiting) == 2 and not added:
            added.append(True)
            panel.add.click()

    session.observe(add, "waiting")
    session.refresh()
    settled(session)
    assert added and session.compared == tuple(queue.evaluated(session)) == (MAX,)


def test_nothing_is_compared_while_the_panel_is_folded(session: Session) -> None:
    panel = Comparison(session)
    panel.widget.layout.display = "none"
    session.refresh()
    settled(session)
    assert session.compared == ()
    panel.widget.layout.display = None
    settled(session)
    assert len(session.compared) == 2


def test_rankings_are_an_example_without_ground_truth(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline=MAX)
    panel = Comparison(session)
    session.refresh()
    settled(session)
    assert session.compared == (MAX, WHOLE) and len(panel.versus.rankings.duel.sides) == 2
    assert "no ground truth" in panel.note.lines[0]["text"]
