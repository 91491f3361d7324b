"""Linked panels without a browser, on a bench of generated images."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as W
import pandas as pd
import pytest

import workbench
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.panels import Session, layout, query_panel
from workbench.panels.configuration.panel import Configuration
from workbench.panels.messages import Messages
from workbench.panels.query.panel import PAGE, QueryPicker
from workbench.panels.results.panel import Results
from workbench.panels.session import session_of
from workbench.panels.widgets.region import Text
from workbench.panels.widgets.splitter import Splitter
from workbench.panels.widgets.tabs import Tabs
from workbench.workbench import Workbench

NOISE = LABELS, EACH = 5, 13
PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


def test_configurations_of_one_session_are_linked(session: Session) -> None:
    configuration, twin = Configuration(session), Configuration(session)
    configuration.selects["Pooling"].value = "mean"
    assert session.pipeline == "efficientnet_lite0/mean/rmac:2/pcaw:16"
    assert twin.selects["Pooling"].value == "mean"
    assert twin.pipeline.value == session.pipeline
    session.pipeline = "efficientnet_lite0/gem:4/whole"  # typed by hand, so it is not in the list
    assert configuration.selects["Pooling"].value == twin.selects["Pooling"].value == "gem:4"
    configuration.selects["Regions"].value = "rmac:3"
    assert session.pipeline == "efficientnet_lite0/gem:4/rmac:3"
    session.cancel()


def test_late_page_receives_all_updates(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = query_panel(bench, session)
    texts = [w for w in descendants(panel) if isinstance(w, Text)]
    (box,) = [w for w in descendants(panel) if "wb-messages" in w._dom_classes]
    messages = next(w for w in descendants(box) if isinstance(w, Text) and w.live)
    settled(session)
    sent: dict[str, list[Any]] = {}

    def record(widget: W.Widget, message: dict[str, Any], buffers: Any = None) -> None:
        """What the page would receive, whichever kernel other tests have left in this process."""
        if isinstance(widget, Text):
            sent.setdefault(widget.model_id, []).append(message["state"]["lines"])

    monkeypatch.setattr(W.Widget, "_send", record)
    messages._handle_custom_msg({"shown": True}, [])
    assert sent == {widget.model_id: [widget.lines] for widget in texts}
    assert any(line["text"].startswith("mAP") for [lines] in sent.values() for line in lines)


def descendants(part: W.Widget) -> list[W.Widget]:
    return [part, *(widget for child in getattr(part, "children", ()) for widget in descendants(child))]


# The session


def test_change_of_pipeline_updates_ranking_and_map(session: Session, bench: Bench) -> None:
    configuration, results = Configuration(session), Results(session)
    session.refresh()
    settled(session)
    assert session.evaluation.pipeline == PIPELINE
    configuration.selects["Pooling"].value = "mean"
    settled(session)
    changed = "efficientnet_lite0/mean/rmac:2/pcaw:16"
    expected = bench.search(session.query, pipeline=changed, k=None)
    pd.testing.assert_frame_equal(session.ranking, expected)
    assert session.evaluation.mean_ap == bench.evaluate(changed).mean_ap
    assert [figure["name"] for figure in results.grid.figures] == list(expected["image_id"])
    assert [figure["score"] for figure in results.grid.figures] == [f"{s:.3f}" for s in expected["score"]]
    assert not results.grid.stale
    assert results.lines()[0]["text"] == (f"mAP {100 * session.evaluation.mean_ap:.1f} · 65 of 65 queries")


def test_another_query_is_ranked_without_a_new_evaluation(session: Session, bench: Bench) -> None:
    picker, results = QueryPicker(session), Results(session)
    session.refresh()
    evaluation = settled(session).evaluation
    picker.strip.runner.wait(60)
    picker.strip._handle_custom_msg({"pick": picker.strip.figures[7]["id"]}, [])
    assert results.grid.stale
    settled(session)
    assert session.query == picker.select.value == list(session.queries)[7]
    assert session.evaluation is evaluation
    ap = evaluation.per_query.set_index("query")["ap"][session.query]
    assert results.lines()[1]["text"] == f"AP of this query {100 * ap:.1f}"


def test_queries_are_paged_and_a_name_opens_its_page(session: Session) -> None:
    picker = QueryPicker(session)
    assert picker.strip.runner.wait(60)
    names = list(session.queries)
    assert len(names) == LABELS * EACH > PAGE
    assert [figure["name"] for figure in picker.strip.figures] == names[:PAGE]
    picker.select.value = names[PAGE + 2]
    assert picker.strip.runner.wait(60)
    assert [figure["name"] for figure in picker.strip.figures] == names[PAGE:]
    assert (picker.strip.chosen, picker.later.disabled) == (2, True)
    # A click that was sent before the page was turned takes the image that was clicked.
    picker.strip._handle_custom_msg({"pick": names[3]}, [])
    assert session.query == names[3]
    picker.select.value = names[PAGE + 2]
    picker.turn(0)
    assert picker.strip.chosen == -1  # the query is on the other page of the list
    session.cancel()


def test_query_with_a_missing_file_is_not_offered(folder: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    session = Session(workbench.open(tmp_path / "photos", labels="folders", cache=cache), pipeline=PIPELINE)
    picker = QueryPicker(session)
    missing, next_query = list(session.queries)[:2]
    assert picker.select.value == missing
    (tmp_path / "photos" / missing).unlink()
    session.refresh()
    assert session.wait(120)
    assert session.query == picker.select.value == next_query
    assert missing not in dict(picker.select.options).values()
    assert next_query in settled(session).ranking["image_id"].to_list()


def test_images_are_queries_if_the_collection_has_none(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline="efficientnet_lite0/mean/whole")
    results = Results(session)
    session.refresh()
    settled(session)
    assert list(session.queries) == list(session.bench.collection.images)
    assert session.evaluation is None
    assert set(session.ranking["relevance"]) <= {"unknown", "query"}
    assert "No ground truth" in results.lines()[0]["text"]


def test_failure_is_reported_and_old_results_are_dimmed(session: Session) -> None:
    results, messages = Results(session), Messages(session)
    session.refresh()
    settled(session)
    session.pipeline = "efficientnet_lite0@nolayer/max/whole"
    assert session.wait(60)
    assert messages.message.lines == [{"text": session.message, "kind": "error"}]
    assert "nolayer" in session.message
    assert "Traceback" not in session.message
    assert results.grid.stale
    assert results.lines()[0]["text"] == "No mAP for this pipeline yet."
    session.pipeline = PIPELINE
    settled(session)
    assert messages.message.lines == []
    assert not results.grid.stale


def test_cancel_is_reported_and_run_continues(session: Session) -> None:
    messages = Messages(session)
    session.refresh()
    messages.stop(None)
    assert session.message.startswith("Cancelled.")
    assert session.jobs == {}
    assert messages.cancel.layout.visibility == "hidden"
    session.refresh(again=True)
    assert settled(session).ranking is not None


def test_error_in_a_handler_is_reported(session: Session) -> None:
    def handler(_: object) -> None:
        raise ZeroDivisionError("division by zero")

    session.guard(handler)(None)
    assert session.failed
    assert "ZeroDivisionError" in session.message


def test_invalid_pipeline_is_rejected(session: Session) -> None:
    with pytest.raises(WorkbenchError, match="'fancy'"):
        session.pipeline = "efficientnet_lite0/fancy/whole"
    assert session.pipeline == PIPELINE


def test_panels_of_one_bench_share_its_session(bench: Bench) -> None:
    first, second = query_panel(bench), query_panel(bench)
    separate = Session(bench)
    separate_panel = query_panel(bench, separate)

    def pooling(panel: W.VBox) -> W.Dropdown:
        selects = (widget for widget in descendants(panel) if isinstance(widget, W.Dropdown))
        return next(select for select in selects if select.description == "Pooling")

    pooling(first).value = "mean"
    assert pooling(second).value == "mean"
    assert pooling(separate_panel).value == "max"
    assert session_of(bench).wait(120) and separate.wait(120)


def test_heat_on_targets_is_computed_after_an_interrupted_evaluation(session: Session) -> None:
    """One image of the folder is given an outline, as the posters have."""
    session.refresh()
    evaluation = settled(session).evaluation
    query, *_ = session.queries.values()
    image = next(iter(session.bench.collection.relevance[query.id]))
    outlined = {(query.id, image): ((8, 8), (80, 8), (80, 60), (8, 60))}
    outlined[query.id, query.image] = outlined[query.id, image]
    bench = Bench(replace(session.bench.collection, quadrilaterals=outlined), session.bench.options)
    interrupted = Session(bench, pipeline=session.pipeline)
    interrupted.refresh()
    measured = settled(interrupted).evaluation.metrics["localisation"]
    interrupted.evaluation = evaluation  # the state after the second half of the evaluation was cancelled
    assert "localisation" not in interrupted.evaluation.metrics
    interrupted.choose(list(session.queries)[3])
    assert settled(interrupted).evaluation.metrics["localisation"] == measured


def test_panels_are_made_when_their_tab_is_opened_and_folded_when_another_is(
    bench: Bench, session: Session
) -> None:
    panel = layout.show(bench, session)
    settled(session)
    beside, below = (widget for widget in descendants(panel) if isinstance(widget, Tabs))
    assert beside.titles == ["Explanation", "Attention", "Local matches", "Classes", "Proposals"]
    assert below.titles == [
        *(
            "Comparison",
            "Embedding map",
            "Index trade-off",
            "Phone budget",
            "Re-rankers",
            "Video",
            "Training",
            "History",
        )
    ]

    def parts() -> dict[str, W.Widget]:
        return {
            name: w
            for w in descendants(panel)
            for name in w._dom_classes
            if name in ("wb-explanation", "wb-classes")
        }

    assert list(parts()) == ["wb-explanation"]
    beside.selected = 3
    settled(session)
    assert [part.layout.display for part in parts().values()] == ["none", None]
    beside.selected = 0
    settled(session)
    assert [part.layout.display for part in parts().values()] == [None, "none"]


def test_arrangement_is_kept_for_the_next_time(folder: Path, tmp_path: Path) -> None:
    def opened() -> tuple[list[Tabs], list[Splitter]]:
        bench = workbench.open(folder, labels="folders", cache=tmp_path)
        widgets = descendants(layout.show(bench, Session(bench, pipeline="efficientnet_lite0/mean/whole")))
        tabs = [widget for widget in widgets if isinstance(widget, Tabs)]
        return tabs, [widget for widget in widgets if isinstance(widget, Splitter)]

    tabs, splitters = opened()
    assert [tab.selected for tab in tabs] == [0, 0] and {splitter.size for splitter in splitters} == {0}
    tabs[1].selected, splitters[0].size = 4, 260
    tabs, splitters = opened()
    assert [tab.selected for tab in tabs] == [0, 4] and splitters[0].size == 260
    (tmp_path / "arrangement.json").write_text('{"tabs below the results": 99, "Width of the query": "wide"')
    tabs, splitters = opened()  # a damaged file is as none
    assert tabs[1].selected == 0 and splitters[0].size == 0
    (tmp_path / "arrangement.json").write_text('{"tabs below the results": 99, "Width of the query": "wide"}')
    tabs, splitters = opened()  # of another version, with fewer tabs now
    assert tabs[1].selected == 7 and splitters[0].size == 0


def test_pipeline_is_chosen_above_panels_that_are_alone_and_depend_on_it(
    bench: Bench, session: Session
) -> None:
    for name in layout.ENTRIES:
        panel = layout.open_panel(name, bench, session)
        alone = "wb-configuration" in panel.children[0]._dom_classes
        assert alone == layout.ENTRIES[name].configured, name
        assert alone or name in ("explanation_panel", "map_panel", "proposals_panel", "history_panel")
    settled(session)


def test_each_entry_of_the_table_is_a_documented_method_of_the_workbench(posters: Workbench) -> None:
    assert {"show", "query_panel", "history_panel"} <= set(layout.PANELS) <= set(dir(posters))
    for name, build in layout.PANELS.items():
        assert getattr(posters, name).__doc__ == build.__doc__
    with pytest.raises(AttributeError, match="no attribute 'unknown_panel'"):
        _ = posters.unknown_panel
