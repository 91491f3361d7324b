"""The index trade-off panel without a browser, on a bench of generated images."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

import workbench
from tests.support.benches import live_widgets
from tests.support.pictures import folder_of
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.panels import Session
from workbench.panels.index_tradeoff.panel import EMPTY, SOON, TradeoffPanel
from workbench.panels.layout import tradeoff_panel

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"
OTHER_PIPELINE = "efficientnet_lite0/mean/whole/pcaw:16"


@pytest.fixture(scope="module")
def bench(bench48: Bench) -> Bench:
    return bench48


def measured(session: Session, *indexes: str) -> TradeoffPanel:
    panel = TradeoffPanel(session)
    for index in indexes:
        if index not in panel.chips.options:
            panel.more.value = index
    panel.chips.chosen = list(indexes)
    panel.go.click()
    settled(session)
    return panel


def drawn(panel: TradeoffPanel) -> Any:
    """The trace of the points; those before it are the trail and the front."""
    return panel.plot.figure.data[-1] if panel.plot.figure and panel.plot.figure.data else None


def cell_sizes(panel: TradeoffPanel) -> list[int]:
    """The sizes of the cells drawn, the nearest first."""
    figure = panel.inspector.cell.sizes.figure
    assert figure is not None
    return [size for trace in figure.data for size in trace.y]


def last_cell(panel: TradeoffPanel) -> dict[str, Any]:
    """The message of a click on the last cell."""
    plot = panel.inspector.cell.sizes
    assert plot.figure is not None
    return {"pick": [0, len(plot.figure.data[0].x) - 1], "version": plot.version}


def test_empty_panel_shows_a_hint(session: Session) -> None:
    panel = TradeoffPanel(session)
    assert (panel.plot.figure, panel.plot.empty) == (None, EMPTY + SOON)
    assert panel.use.layout.display == panel.inspector.widget.layout.display == "none"
    panel.chips.chosen = []
    panel.go.click()
    assert session.failed and "no index is chosen" in session.message


def test_few_indexes_are_measured_without_a_click(session: Session) -> None:
    panel = TradeoffPanel(session)
    panel.chips.chosen = ["exact", "pq:16", "lsh:256"]
    assert [row["said"] for row in panel.table.rows] == ["not measured yet"] * 3
    session.refresh()
    settled(session)
    assert list(panel.rows) == ["exact", "pq:16"]
    assert panel.table.rows[2]["said"] == "not measured yet"
    assert "1 index not measured yet, about" in panel.note.lines[-1]["text"]
    session.pipeline = OTHER_PIPELINE
    settled(session)
    assert not panel.stale  # measured again, for the pipeline now
    panel.go.click()
    settled(session)
    assert list(panel.rows) == ["exact", "pq:16", "lsh:256"]
    session.pipeline = PIPELINE
    settled(session)
    assert panel.stale and len(panel.rows) == 3  # what was measured by a click stays


def test_chosen_indexes_become_rows_and_points(session: Session) -> None:
    panel = measured(session, "exact", "ivf:8", "lsh:64")
    assert [row["cells"]["index"] for row in panel.table.rows] == ["exact", "ivf:8", "lsh:64"]
    assert panel.table.rows[0]["cells"]["recall@10"] == "100.0"
    assert list(drawn(panel).ids) == ["exact", "ivf:8", "lsh:64"]
    assert panel.picked == panel.plot.current == "ivf:8"
    assert panel.table.chosen == ["ivf:8"]
    assert "Pareto front" in panel.front.lines[0]["text"]
    panel.x.value, panel.y.value = "queries_per_second", "lost"
    figure = panel.plot.figure
    assert figure is not None
    assert "more is better" in figure.layout.xaxis.title.text
    assert "less is better" in figure.layout.yaxis.title.text
    assert drawn(panel).y[0] == 0
    assert "points of mAP lost" in drawn(panel).hovertext[0]
    version = panel.plot.version
    panel.plot._handle_custom_msg({"pick": [len(figure.data) - 1, 2], "version": version}, [])
    assert panel.picked == panel.plot.current == "lsh:64"
    assert panel.plot.version == version  # the zoom stays
    settled(session)


def test_invalid_index_has_a_row_with_the_reason(session: Session) -> None:
    panel = measured(session, "exact", "ivf:64", "pq:7")
    errors = [row.get("said", "") for row in panel.table.rows]
    assert errors[0] == ""
    assert "64" in errors[1] and "do not divide" in errors[2]
    assert list(drawn(panel).ids) == ["exact"]
    panel.pick("pq:7")
    assert panel.about.lines[-1]["kind"] == "error"
    assert panel.use.layout.display == "none"


def test_probe_slider_moves_the_point_and_leaves_a_trail(session: Session) -> None:
    panel = measured(session, "exact", "ivf:8")
    (slider,) = panel.probing.slider.sliders
    assert (slider["values"], slider["values"][slider["at"]]) == (["1", "2", "3", "4", "8"], "3")
    before = panel.rows["ivf:8"].recall[10]
    for at in (0, 4):
        panel.probing.turn(at)
        settled(session)
    assert panel.rows["ivf:8"].index == "ivf:8:8"
    assert panel.table.rows[1]["cells"]["index"] == panel.plot.figure.data[-2].text[1] == "ivf:8:8"
    assert panel.plot.figure is not None
    trail = panel.plot.figure.data[0]
    assert list(trail.y) == sorted(trail.y) and len(trail.y) == 3
    assert panel.rows["ivf:8"].recall[10] == 1.0 >= before
    assert "the 8 that are searched" in panel.inspector.cell.sizes.figure.layout.title.subtitle.text
    panel.pick("exact")
    assert panel.probing.slider.sliders == [] and len(panel.plot.figure.data) == 3  # without a trail
    settled(session)


def test_cell_shows_its_images_and_the_cell_of_the_query_is_first(session: Session) -> None:
    panel = measured(session, "ivf:8,lsh:64")
    inspector = panel.inspector
    sizes = cell_sizes(panel)
    assert sum(sizes) == 48
    assert len(inspector.cell.images.figures) == sizes[0]
    assert inspector.cell.images.figures[0]["name"].startswith(session.queries[session.query].image)
    assert "of 48 images" in inspector.balance.lines[0]["text"]
    inspector.cell.sizes._handle_custom_msg(last_cell(panel), [])
    settled(session)
    assert len(inspector.cell.images.figures) == sizes[7]
    assert "8th nearest cell (not searched)" in inspector.cell.text.lines[0]["text"]
    inspector.cell.open(0)
    settled(session)
    inspector.cell.images._handle_custom_msg({"pick": inspector.cell.images.figures[0]["id"]}, [])
    assert session.image == session.queries[session.query].image


def test_bits_show_the_number_that_differ(session: Session) -> None:
    panel = measured(session, "lsh:64", "sh:64", "pq:4")
    bits = panel.inspector.bits
    assert len(bits.codes) == 8 * len(bits.rows) == 8 * 31
    first = bits.rows[1]
    assert (first["rank"], first["name"]) == ("1", session.queries[session.query].image)
    assert (first["text"], first["said"].split(",")[0]) == ("0 bits", "0 of 64 bits differ")
    assert "how many bits differ" in panel.inspector.lines.lines[0]["text"]
    panel.pick("sh:64")
    settled(session)
    assert bits.rows[1]["text"] == "0.000"
    distances = [float(row["text"]) for row in bits.rows[1:]]
    assert distances == sorted(distances)
    panel.pick("pq:4")
    settled(session)
    assert (bits.rows, panel.inspector.cell.sizes.figure) == ([], None)
    assert "has no bits" in panel.inspector.lines.lines[0]["text"]
    assert "has no cells" in panel.inspector.balance.lines[0]["text"]


def test_another_query_uses_the_measured_index(session: Session) -> None:
    panel = measured(session, "ivf:8")
    before = panel.inspector.cell.images.figures[0]["name"]
    session.choose(list(session.queries)[9])
    settled(session)
    after = panel.inspector.cell.images.figures[0]["name"]
    assert after != before
    assert after.startswith(session.queries[session.query].image)


def test_picked_index_is_set_in_the_pipeline(session: Session) -> None:
    panel = measured(session, "exact", "ivf:8")
    panel.probing.turn(0)
    settled(session)
    panel.use.click()
    assert session.pipeline == f"{PIPELINE}/ivf:8:1"
    assert not panel.plot.stale
    panel.pick("exact")
    panel.use.click()
    assert session.pipeline == PIPELINE
    settled(session)


def test_other_descriptors_dim_the_measures_until_they_are_repeated(session: Session) -> None:
    panel = measured(session, "exact", "ivf:8")
    session.pipeline = "efficientnet_lite0/mean/whole/pca:8/aqe:3"
    assert panel.plot.stale
    assert panel.note.lines[0]["kind"] == "warning" and PIPELINE in panel.note.lines[0]["text"]
    panel.chips.chosen = ["exact"]
    panel.go.click()
    settled(session)
    assert not panel.plot.stale
    assert list(panel.rows) == ["exact"]
    assert panel.rows["exact"].bytes == 4 * 8


def test_cancel_keeps_finished_measures(session: Session) -> None:
    panel = measured(session, "exact")
    panel.chips.chosen = ["exact", "pq:4", "lsh:64"]

    def stop(change: dict) -> None:
        if "pq:4" in panel.rows:
            session.cancel("trade-off")

    panel.table.observe(stop, "rows")
    panel.go.click()
    assert session.wait(60)
    assert list(panel.rows) == ["exact", "pq:4"]
    assert panel.waiting == ()
    assert [row.get("said", "") for row in panel.table.rows] == ["", "", "not measured yet"]
    panel.table.unobserve(stop, "rows")
    panel.go.click()
    settled(session)
    assert list(panel.rows) == ["exact", "pq:4", "lsh:64"]


def test_invalid_index_is_rejected(session: Session) -> None:
    panel = TradeoffPanel(session)
    panel.more.value = "ivf:16:2,pq:8"
    assert panel.chips.options[-1] == "ivf:16:2,pq:8" == panel.chips.chosen[-1]
    panel.more.value = "<img src=x>"
    assert session.failed and "is not an index" in session.message
    assert panel.chips.options[-1] == "ivf:16:2,pq:8"


def test_three_images_without_ground_truth_can_be_measured(tmp_path: Path) -> None:
    bench = workbench.open(folder_of(tmp_path / "photos", 3), cache=tmp_path / "cache")
    session = Session(bench, pipeline="efficientnet_lite0/mean/whole")
    panel = measured(session, "exact", "ivf:64", "hnsw:32", "lsh:256")
    assert "map" not in [column["key"] for column in panel.table.columns]
    assert set(drawn(panel).ids) == {"exact", "hnsw:32", "lsh:256"}
    panel.y.value = "lost"
    assert drawn(panel) is None and panel.plot.figure is not None
    assert "No index has both measures" in panel.plot.figure.layout.annotations[0].text
    panel.pick("lsh:256")
    settled(session)
    assert len(panel.inspector.bits.rows) == 4
    configuration, *_, landmark = tradeoff_panel(bench, session).children[:4]
    assert configuration.children[0].region == "Configuration"
    assert landmark.children[0].region == "Index trade-off"
    session.cancel()
    assert session.wait(60)


def test_memory_does_not_grow(session: Session) -> None:
    panel = measured(session, "ivf:8", "lsh:64")

    def change(number: int) -> None:
        panel.pick(("ivf:8", "lsh:64")[number % 2])
        if number % 2 == 0:
            panel.probing.turn(number % 4)
        settled(session)

    for number in range(4):
        change(number)
    assert panel.tradeoff is not None
    kinds = tuple({type(panel.tradeoff.index(name)[0]) for name in ("ivf:8", "lsh:64")})

    def live_objects() -> tuple[int, int]:
        """Return the number of live widgets and of indexes in memory."""
        gc.collect()
        return live_widgets(), sum(isinstance(item, kinds) for item in gc.get_objects())

    before = live_objects()
    for number in range(20):
        change(number)
    assert live_objects() == before
