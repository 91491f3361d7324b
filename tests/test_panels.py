"""Panels as plain objects: a real bench on generated images, handlers called as plain methods."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import workbench
from workbench.collections.collection import PROTOCOLS
from workbench.config import NOT_AVAILABLE, Config, WorkbenchError
from workbench.features.weights import availability
from workbench.panels import Session, jobs, query_panel
from workbench.panels.configuration import (
    CHOICES,
    Configuration,
    backbones,
    described,
    offered,
    part,
    replaced,
)
from workbench.panels.jobs import Job, JobRunner
from workbench.panels.messages import Messages, job_lines, time_left
from workbench.panels.query import PAGE, QueryPicker
from workbench.panels.results import SIGNS, Results, measured, of_query
from workbench.panels.session import RESULTS
from workbench.pipeline import Workbench
from workbench.progress import Cancelled, Progress

LABELS, EACH = 5, 13
PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five kinds of noise, thirteen images of each, in a folder for each kind."""
    root = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    for label in range(LABELS):
        (root / f"kind {label}").mkdir()
        ground = noise.integers(0, 255, (label + 2, 9 - label, 3))
        for number in range(EACH):
            pixels = np.clip(ground + noise.normal(0, 40, ground.shape), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).resize((96, 72)).save(root / f"kind {label}" / f"{number:02}.jpg")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def bench(folder: Path, cache: Path) -> Workbench:
    return workbench.open(folder, labels="folders", cache=cache)


@pytest.fixture
def session(bench: Workbench) -> Session:
    return Session(bench, pipeline=PIPELINE)


def settled(session: Session) -> Session:
    assert session.runner.wait(120)
    assert not session.failed, session.message
    return session


# One worker: the newest request wins, and it can be stopped.


def until_stopped(progress: Progress) -> None:
    while True:
        progress("working", 1, 2)


def test_the_newest_request_stops_the_one_that_runs() -> None:
    runner, began, seen = JobRunner(), threading.Event(), []

    def old(progress: Progress) -> None:
        began.set()
        try:
            until_stopped(progress)
        except Cancelled:
            seen.append("old was stopped")
            raise

    runner.submit(old)
    assert began.wait(30)
    runner.submit(lambda progress: seen.append("new"))
    assert runner.wait(30)
    assert seen == ["old was stopped", "new"]


def test_of_quick_requests_only_the_last_runs() -> None:
    runner, seen = JobRunner(), []
    for number in range(9):
        runner.submit(partial(lambda number, _: seen.append(number), number), delay=0.3)
    assert runner.wait(30)
    assert seen == [8]


def test_cancel_is_said_at_once_and_nothing_after_it() -> None:
    reports: list[Job | None] = []
    began, go_on = threading.Event(), threading.Event()
    runner = JobRunner(report=reports.append)

    def deaf(progress: Progress) -> None:
        began.set()
        assert go_on.wait(30)  # in the midst of a batch, a job does not see that it is stopped
        progress("working", 1, 2)

    runner.submit(deaf)
    assert began.wait(30)
    assert runner.cancel()
    assert reports[-1] is None
    heard = len(reports)
    assert not runner.cancel()
    go_on.set()
    assert runner.wait(30)
    assert len(reports) == heard
    runner.submit(lambda progress: progress("again", 2, 2))
    assert runner.wait(30)
    assert reports[heard:] == [Job("Starting"), Job("again", 2, 2), None]


def test_cancel_takes_back_a_request_that_waits() -> None:
    runner, seen = JobRunner(), []
    runner.submit(lambda _: seen.append("ran"), delay=60)
    assert runner.cancel()
    assert runner.wait(30)
    assert seen == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WorkbenchError("pooling 'x' is not known"), "pooling 'x' is not known"),
        (KeyError("layer9"), "Something unexpected went wrong (KeyError: 'layer9')."),
        (MemoryError(), "Something unexpected went wrong (MemoryError)."),
        (RuntimeError("first\nsecond"), "Something unexpected went wrong (RuntimeError: first)."),
    ],
)
def test_an_error_is_a_sentence_and_the_worker_goes_on(error: Exception, sentence: str) -> None:
    said: list[str] = []
    reports: list[Job | None] = []
    runner = JobRunner(report=reports.append, fail=said.append)

    def broken(_: Progress) -> None:
        raise error

    runner.submit(broken)
    assert runner.wait(30)
    assert (said, reports[-1]) == ([sentence], None)
    seen = []
    runner.submit(lambda _: seen.append("ran"))
    assert runner.wait(30)
    assert seen == ["ran"]


def test_time_left_is_the_rate_since_resumed_work_first_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    reports: list[Job | None] = []
    runner = JobRunner(report=reports.append)

    def resumed(progress: Progress) -> None:
        progress("extracting", 400, 600)
        clock.now += 30  # reading the weights, and a first batch
        progress("extracting", 420, 600)
        clock.now += 10
        progress("extracting", 520, 600)  # 100 in 10 s, and 80 to go

    runner.submit(resumed)
    assert runner.wait(30)
    assert reports[1:-1] == [
        Job("extracting", 400, 600),
        Job("extracting", 420, 600),
        Job("extracting", 520, 600, 8.0),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59.4, "59 s"), (130, "2 min 10 s"), (3900, "1 h 5 min")]
)
def test_time_left_as_people_say_it(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_a_bar_without_an_end_has_no_fraction() -> None:
    assert job_lines(Job("waiting"))[1]["fraction"] is None
    assert job_lines(Job("extracting", 30, 40, 8))[0]["text"] == "extracting · 30 of 40 · 8 s left"
    assert job_lines(Job("extracting", 30, 40, 8))[1]["fraction"] == 0.75


# The selects.

pipelines = st.builds(
    lambda *parts: "/".join(filter(None, parts)),
    st.sampled_from(["efficientnet_lite0", "vgg16@conv4_3", "dinov2_small", "resnet50@random"]),
    st.sampled_from(["max", "gem:2.5", "crow"]),
    st.sampled_from(["whole", "rmac:4", "grid:1x2"]),
    st.sampled_from(["", "centre", "norm"]),
    st.sampled_from(["", "power:0.5"]),
    st.sampled_from(["", "pcaw:64", "lw:32"]),
    st.sampled_from(["", "scales:2"]),
)


@given(pipelines, st.sampled_from(list(CHOICES)))
def test_every_offered_option_is_valid_and_changes_its_part_alone(pipeline: str, label: str) -> None:
    for _, value in offered(pipeline, label, CHOICES[label]):
        changed = replaced(pipeline, label, value)
        Config.parse(changed).require_available()
        assert part(changed, label) == value
        others = {"Backbone", *CHOICES} - {label}
        assert all(part(changed, other) == part(pipeline, other) for other in others)
        assert Config.parse(changed).scales == Config.parse(pipeline).scales
        if value or not part(pipeline, label):
            assert replaced(changed, label, part(pipeline, label)) == str(Config.parse(pipeline))


def test_what_has_no_meaning_or_is_not_built_is_not_offered() -> None:
    regions = "efficientnet_lite0/max/rmac:3"
    whole = "efficientnet_lite0/max/whole"
    code = "alexnet@fc6/code/whole"
    values = {label: {v for _, v in offered(whole, label, CHOICES[label])} for label in CHOICES}
    assert not NOT_AVAILABLE & set().union(*values.values())
    assert "attention" in CHOICES["Weighting"]
    assert "code" in values["Pooling"]
    assert "code" not in {v for _, v in offered(regions, "Pooling", CHOICES["Pooling"])}
    assert "code" not in {v for _, v in offered("dinov2_small/max/whole", "Pooling", CHOICES["Pooling"])}
    assert [v for _, v in offered(code, "Regions", CHOICES["Regions"])] == ["whole"]
    assert [v for _, v in offered(code, "Weighting", CHOICES["Weighting"])] == [""]


def test_a_whitening_is_replaced_where_it_stands() -> None:
    before = "efficientnet_lite0/max/whole/centre/pca:64/power:0.5"
    assert replaced(before, "Whitening", "pcaw:32") == "efficientnet_lite0/max/whole/centre/pcaw:32/power:0.5"
    assert replaced(before, "Whitening", "") == "efficientnet_lite0/max/whole/centre/power:0.5"


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        # 20 regions on a 24x32 map at three levels (Tolias et al. 2016); 256 numbers of 4 bytes
        (
            "vgg16/max/rmac:3/pcaw:256",
            "max over about 20 regions · whitened to 256 numbers · 1 KB an image",
        ),
        ("vgg16/max/rmac+:3", "max over about 21 regions"),
        ("vgg16/mean/grid:2x3/pca:64", "mean over 6 regions · reduced to 64 numbers · 0.25 KB an image"),
        ("vgg16/mean/whole/centre", "mean over the whole image · the centre counts more"),
        ("vgg16@random/max/whole", "random weights, for tests only · max over the whole image"),
    ],
)
def test_a_pipeline_in_plain_words(pipeline: str, words: str) -> None:
    assert described(pipeline) == words


def test_embedded_backbones_come_first_and_missing_ones_are_marked(tmp_path: Path) -> None:
    options = backbones(tmp_path)
    assert options[0] == ("efficientnet_lite0", "efficientnet_lite0")
    for text, name in options:
        assert text.endswith(" (download)") == (availability(name, tmp_path) == "download")


def test_two_configurations_of_one_session_are_linked(session: Session) -> None:
    one, other = Configuration(session), Configuration(session)
    one.selects["Pooling"].value = "mean"
    assert session.pipeline == "efficientnet_lite0/mean/rmac:2/pcaw:16"
    assert other.selects["Pooling"].value == "mean"
    assert other.text.lines[0]["text"] == session.pipeline
    session.pipeline = "efficientnet_lite0/gem:4/whole"  # written by hand: no option of the list
    assert one.selects["Pooling"].value == other.selects["Pooling"].value == "gem:4"
    one.selects["Regions"].value = "rmac:3"
    assert session.pipeline == "efficientnet_lite0/gem:4/rmac:3"
    session.cancel()


# The session, on a real bench.


def test_a_change_brings_ranking_and_map_of_the_new_pipeline(session: Session, bench: Workbench) -> None:
    configuration, results = Configuration(session), Results(session)
    session.refresh()
    settled(session)
    assert session.evaluation.pipeline == PIPELINE
    configuration.selects["Pooling"].value = "mean"
    settled(session)
    changed = "efficientnet_lite0/mean/rmac:2/pcaw:16"
    expected = bench.search(session.query, pipeline=changed, k=RESULTS)
    pd.testing.assert_frame_equal(session.ranking, expected)
    assert session.evaluation.mean_ap == bench.evaluate(changed).mean_ap
    assert results.grid.runner.wait(60)
    assert [figure["name"] for figure in results.grid.figures] == list(expected["image_id"])
    assert [figure["score"] for figure in results.grid.figures] == [f"{s:.3f}" for s in expected["score"]]
    assert all(figure["picture"].startswith(b"\xff\xd8") for figure in results.grid.figures)
    assert not results.grid.stale
    assert results.lines()[0]["text"] == f"mAP {100 * session.evaluation.mean_ap:.1f}"


def test_another_query_is_ranked_without_evaluating_again(session: Session, bench: Workbench) -> None:
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
    assert session.runner.wait(120)
    assert session.query == picker.select.value == other
    assert gone not in picker.select.options
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
    assert session.runner.wait(60)
    assert messages.message.lines == [{"text": session.message, "kind": "error"}]
    assert "nolayer" in session.message
    assert "Traceback" not in session.message
    assert results.grid.stale
    assert results.lines()[0]["text"] == "No mAP for this pipeline yet."
    session.pipeline = PIPELINE
    settled(session)
    assert messages.message.lines == []
    assert results.grid.runner.wait(60)
    assert not results.grid.stale


def test_cancel_says_so_and_run_goes_on(session: Session) -> None:
    messages = Messages(session)
    session.refresh()
    messages.stop(None)
    assert session.message.startswith("Cancelled.")
    assert session.job is None
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


def test_panels_of_one_bench_share_its_session(bench: Workbench) -> None:
    first, second = query_panel(bench), query_panel(bench)
    own = query_panel(bench, Session(bench))

    def pooling(panel: Callable[..., object]) -> object:
        return panel.children[0].children[1].children[1]  # type: ignore[attr-defined]

    pooling(first).value = "mean"  # type: ignore[attr-defined]
    assert pooling(second).value == "mean"  # type: ignore[attr-defined]
    assert pooling(own).value == "max"  # type: ignore[attr-defined]


# Numbers on screen.


def test_every_grade_of_every_protocol_has_a_sign() -> None:
    grades = {g for p in PROTOCOLS.values() for good, bad in p.settings.values() for g in good | bad}
    assert grades | {"negative", "query"} <= set(SIGNS)


@pytest.mark.parametrize(
    ("protocol", "metrics", "text"),
    [
        (
            "revisited",  # R101-GeM on ROxford (Radenović et al. 2018)
            {"mAP_easy": 0.8481, "mAP_medium": 0.6467, "mAP_hard": 0.3847},
            "mAP medium 64.7 · easy 84.8 · hard 38.5",
        ),
        ("labels", {"mAP": 1.0}, "mAP 100.0"),
        ("oxford", {"mAP": float("nan")}, "mAP –"),
        ("ukbench", {"mAP": 0.9, "N-S": 3.456}, "N-S 3.46 of 4"),
    ],
)
def test_the_headline_of_each_protocol(protocol: str, metrics: dict[str, float], text: str) -> None:
    assert measured(SimpleNamespace(protocol=protocol, metrics=metrics)) == text


def test_a_query_without_positives_has_no_ap() -> None:
    evaluation = SimpleNamespace(per_query=pd.DataFrame({"query": ["a", "b"], "ap": [np.nan, 0.612]}))
    assert of_query(evaluation, "a") == "AP of this query not defined: it has no positives"
    assert of_query(evaluation, "b") == "AP of this query 61.2"
    assert of_query(evaluation, "c") == ""
