"""Panels as plain objects: a real bench on generated images, handlers called as plain methods."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as W
import pandas as pd
import pytest

import workbench
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.panels import Session, query_panel
from workbench.panels.configuration.panel import Configuration
from workbench.panels.messages import Messages
from workbench.panels.query.panel import PAGE, QueryPicker
from workbench.panels.results.panel import Results
from workbench.panels.session import session_of
from workbench.panels.widgets.region import Text

NOISE = LABELS, EACH = 5, 13
PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


def settled(session: Session) -> Session:
    assert session.wait(120)
    assert not session.failed, session.message
    return session


def test_two_configurations_of_one_session_are_linked(session: Session) -> None:
    one, other = Configuration(session), Configuration(session)
    one.selects["Pooling"].value = "mean"
    assert session.pipeline == "efficientnet_lite0/mean/rmac:2/pcaw:16"
    assert other.selects["Pooling"].value == "mean"
    assert other.pipeline.value == session.pipeline
    session.pipeline = "efficientnet_lite0/gem:4/whole"  # written by hand: no option of the list
    assert one.selects["Pooling"].value == other.selects["Pooling"].value == "gem:4"
    one.selects["Regions"].value = "rmac:3"
    assert session.pipeline == "efficientnet_lite0/gem:4/rmac:3"
    session.cancel()


def test_a_page_that_was_late_is_told_everything_again(bench: Bench, session: Session) -> None:
    panel = query_panel(bench, session)
    texts = [w for w in every(panel) if isinstance(w, Text)]
    said = [w for w in texts if w.live][-1]  # of the messages, which stand last
    settled(session)
    sent: dict[str, list[Any]] = {}
    for widget in texts:
        assert widget.comm is not None
        widget.comm.publish_msg = (  # what would go to the page
            lambda *_, data, of=widget.model_id, **__: sent.setdefault(of, []).append(data["state"]["lines"])
        )
    said._handle_custom_msg({"shown": True}, [])
    assert sent == {widget.model_id: [widget.lines] for widget in texts}
    assert any(line["text"].startswith("mAP") for [lines] in sent.values() for line in lines)


def every(part: W.Widget) -> list[W.Widget]:
    return [part, *(one for child in getattr(part, "children", ()) for one in every(child))]


# The session, on a real bench.


def test_a_change_brings_ranking_and_map_of_the_new_pipeline(session: Session, bench: Bench) -> None:
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
    assert results.lines()[0]["text"] == f"mAP {100 * session.evaluation.mean_ap:.1f}"


def test_another_query_is_ranked_without_evaluating_again(session: Session, bench: Bench) -> None:
    picker, results = QueryPicker(session), Results(session)
    session.refresh()
    evaluation = settled(session).evaluation
    picker.strip.runner.wait(60)
    picker.pick(7)
    assert results.grid.stale
    settled(session)
    assert session.query == picker.select.value == list(session.queries)[7]
    assert session.evaluation is evaluation
    ap = evaluation.per_query.set_index("query")["ap"][session.query]
    assert results.lines()[1]["text"] == f"AP of this query {100 * ap:.1f}"


def test_queries_come_by_page_and_a_name_turns_to_its_page(session: Session) -> None:
    picker = QueryPicker(session)
    assert picker.strip.runner.wait(60)
    names = list(session.queries)
    assert len(names) == LABELS * EACH > PAGE
    assert [figure["name"] for figure in picker.strip.figures] == names[:PAGE]
    picker.select.value = names[PAGE + 2]
    assert picker.strip.runner.wait(60)
    assert [figure["name"] for figure in picker.strip.figures] == names[PAGE:]
    assert (picker.strip.chosen, picker.later.disabled) == (2, True)
    picker.turn(0)
    assert picker.strip.chosen == -1  # the query is on the other page
    session.cancel()


def test_a_query_whose_file_is_gone_is_offered_no_more(folder: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "photos")
    session = Session(workbench.open(tmp_path / "photos", labels="folders", cache=cache), pipeline=PIPELINE)
    picker = QueryPicker(session)
    gone, other = list(session.queries)[:2]
    assert picker.select.value == gone
    (tmp_path / "photos" / gone).unlink()
    session.refresh()
    assert session.wait(120)
    assert session.query == picker.select.value == other
    assert gone not in dict(picker.select.options).values()
    assert other in settled(session).ranking["image_id"].to_list()


def test_without_queries_any_image_may_be_one_and_no_map_is_said(folder: Path, cache: Path) -> None:
    session = Session(workbench.open(folder, cache=cache), pipeline="efficientnet_lite0/mean/whole")
    results = Results(session)
    session.refresh()
    settled(session)
    assert list(session.queries) == list(session.bench.collection.images)
    assert session.evaluation is None
    assert set(session.ranking["relevance"]) <= {"unknown", "query"}
    assert "No ground truth" in results.lines()[0]["text"]


def test_a_failure_is_read_in_messages_and_old_results_are_not_taken_for_new(session: Session) -> None:
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


def test_cancel_says_so_and_run_goes_on(session: Session) -> None:
    messages = Messages(session)
    session.refresh()
    messages.stop(None)
    assert session.message.startswith("Cancelled.")
    assert session.jobs == {}
    assert messages.cancel.layout.visibility == "hidden"
    session.refresh(again=True)
    assert settled(session).ranking is not None


def test_an_error_in_a_handler_reaches_the_message(session: Session) -> None:
    def handler(_: object) -> None:
        raise ZeroDivisionError("division by zero")

    session.guard(handler)(None)
    assert session.failed
    assert "ZeroDivisionError" in session.message


def test_a_pipeline_with_no_meaning_is_refused(session: Session) -> None:
    with pytest.raises(WorkbenchError, match="'fancy'"):
        session.pipeline = "efficientnet_lite0/fancy/whole"
    assert session.pipeline == PIPELINE


def test_panels_of_one_bench_share_its_session(bench: Bench) -> None:
    first, second = query_panel(bench), query_panel(bench)
    other = Session(bench)
    own = query_panel(bench, other)

    def pooling(panel: W.VBox) -> W.Dropdown:
        fields = panel.children[0].children[1].children
        return next(field.children[0] for field in fields if field.children[0].description == "Pooling")

    pooling(first).value = "mean"
    assert pooling(second).value == "mean"
    assert pooling(own).value == "max"
    assert session_of(bench).wait(120) and other.wait(120)


def test_heat_on_targets_comes_though_another_query_stopped_it(session: Session) -> None:
    """As on posters, whose outlines are known: here one of the folder's images is given one."""
    session.refresh()
    evaluation = settled(session).evaluation
    query, *_ = session.queries.values()
    image = next(iter(session.bench.collection.relevance[query.id]))
    outlined = {(query.id, image): ((8, 8), (80, 8), (80, 60), (8, 60))}
    outlined[query.id, query.image] = outlined[query.id, image]
    bench = Bench(replace(session.bench.collection, quadrilaterals=outlined), session.bench.options)
    other = Session(bench, pipeline=session.pipeline)
    other.refresh()
    measured = settled(other).evaluation.metrics["localisation"]
    other.evaluation = evaluation  # as it stands where the second half was cancelled
    assert "localisation" not in other.evaluation.metrics
    other.choose(list(session.queries)[3])
    assert settled(other).evaluation.metrics["localisation"] == measured
