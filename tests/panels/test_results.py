"""Results as a plain object: pages, pictures, filters, and memory that does not grow."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from tests.support.benches import live_widgets
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.collections.protocols import PROTOCOLS
from workbench.panels import Session
from workbench.panels.results import filters
from workbench.panels.results.panel import Results
from workbench.panels.widgets import grid
from workbench.panels.widgets.grid import Figure, Scroll

PIPELINE = "efficientnet_lite0/max/rmac:2/pcaw:16"
MEDIUM = PROTOCOLS["revisited"]


@pytest.fixture(scope="module")
def bench(bench48: Bench) -> Bench:
    return bench48


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    one = Session(bench, pipeline=PIPELINE)
    one.refresh()
    assert one.wait(120)
    assert not one.failed, one.message
    yield one
    assert one.wait(120)


def ranking(*relevance: str) -> pd.DataFrame:
    count = len(relevance)
    return pd.DataFrame(
        {
            "rank": range(1, count + 1),
            "image_id": [f"{n}.jpg" for n in range(1, count + 1)],
            "score": np.linspace(1, 0, count),
            "relevance": relevance,
        }
    )


# Filters.


def test_errors_take_the_places_of_missed_positives() -> None:
    # Three positives; without junk and the query, their places are those of ranks 2, 4 and 5.
    table = ranking("query", "easy", "junk", "negative", "negative", "hard", "negative", "junk", "easy")
    assert list(filters.shown(table, "errors only", MEDIUM, ())["rank"]) == [4, 5]
    assert list(filters.shown(table, "missed positives", MEDIUM, ())["rank"]) == [6, 9]
    assert len(filters.shown(table, "all", MEDIUM, ())) == 9
    assert list(filters.shown(table, "selection", MEDIUM, ("9.jpg", "1.jpg", "other"))["rank"]) == [1, 9]


@given(st.lists(st.sampled_from(["easy", "hard", "junk", "negative", "query"]), max_size=30))
def test_as_many_errors_as_missed_positives_and_none_in_a_perfect_ranking(relevance: list[str]) -> None:
    errors, missed = filters.errors_and_missed(ranking(*relevance), MEDIUM)
    positives = sum(grade in ("easy", "hard") for grade in relevance)
    # There may be fewer negatives than positives.
    assert errors.sum() == missed.sum() <= positives
    perfect = sorted(relevance, key=lambda grade: grade not in ("easy", "hard"))
    assert not any(wrong.any() for wrong in filters.errors_and_missed(ranking(*perfect), MEDIUM))


def test_positives_that_an_index_does_not_reach_are_missed() -> None:
    # Four positives, two of them reached: places 1 to 4 are theirs, of which three are taken here.
    short = ranking("easy", "negative", "easy")
    grades = {"1.jpg": "easy", "3.jpg": "easy", "8.jpg": "hard", "9.jpg": "easy", "7.jpg": "junk"}
    whole = filters.with_unreached(short, grades)
    assert list(whole["rank"]) == [1, 2, 3, 0, 0, 0]
    missed = filters.shown(whole, "missed positives", MEDIUM, ())
    assert list(missed["image_id"]) == ["8.jpg", "9.jpg"]
    assert list(filters.shown(whole, "errors only", MEDIUM, ())["rank"]) == [2]
    assert len(filters.shown(whole, "all", MEDIUM, ())) == 3
    assert filters.summary(whole, whole, "all", MEDIUM, 9) == "3 of 9 images reached by the index"
    assert filters.summary(whole, missed, "missed positives", MEDIUM, 9) == (
        "2 of 4 positives are below the first 4 places; 2 of them not reached by the index"
    )
    assert filters.with_unreached(short, {"1.jpg": "easy"}) is short


def test_without_ground_truth_nothing_is_an_error() -> None:
    assert filters.shown(ranking("unknown", "query"), "errors only", None, ()).empty


# A grid of any length.


class Wire(Scroll):
    """A grid whose messages to the browser are kept."""

    def __init__(self, pause: float = 0.0, **traits: Any) -> None:
        self.pause = pause
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.failures: list[str] = []
        super().__init__(self.made, self.failures.append, look="ranked", **traits)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, list(buffers or [])))

    def made(self, name: str, side: int) -> bytes:
        if name == "broken":
            raise ZeroDivisionError("division by zero")
        time.sleep(self.pause)
        return f"{name} {side}".encode()


def page(start: int, stop: int) -> list[Figure]:
    return [{"name": f"n{number}", "alt": ""} for number in range(start, stop)]


def test_pages_and_pictures_come_as_they_are_asked_for() -> None:
    wire = Wire()
    wire.show(450, page)
    assert [figure["name"] for figure in wire.figures] == [f"n{n}" for n in range(grid.PAGE)]
    wire._handle_custom_msg({"page": 400, "version": wire.version}, [])
    (answer, _) = wire.sent.pop()
    assert (answer["page"], answer["version"]) == (400, wire.version)
    assert [figure["name"] for figure in answer["figures"]] == [f"n{n}" for n in range(400, 450)]
    names = [f"n{n}" for n in range(40)]
    wire._handle_custom_msg({"pictures": names, "side": 160}, [])
    assert wire.runner.wait(10)
    assert [name for content, _ in wire.sent for name in content["pictures"]] == names
    assert [data for _, buffers in wire.sent for data in buffers] == [f"{n} 160".encode() for n in names]


def test_pictures_slow_to_make_are_shown_as_they_come() -> None:
    wire = Wire(pause=0.02)
    wire.show(8, page)
    wire._handle_custom_msg({"pictures": [f"n{n}" for n in range(8)], "side": 160}, [])
    assert wire.runner.wait(10)
    assert len(wire.sent) >= 4
    assert [name for content, _ in wire.sent for name in content["pictures"]] == [f"n{n}" for n in range(8)]


def test_a_page_of_an_older_ranking_is_not_sent() -> None:
    wire = Wire()
    wire.show(450, page)
    older = wire.version
    wire.show(450, lambda start, stop: page(start + 1000, stop + 1000))
    wire._handle_custom_msg({"page": 200, "version": older}, [])
    assert wire.sent == []


def test_an_error_while_pictures_are_made_is_said() -> None:
    wire = Wire()
    wire.show(1, page)
    wire._handle_custom_msg({"pictures": ["broken"], "side": 160}, [])
    assert wire.runner.wait(10)
    assert "ZeroDivisionError" in wire.failures[0]


# The panel.


def test_captions_hold_rank_score_relevance_and_movement(session: Session) -> None:
    results = Results(session)
    first = results.grid.figures[0]
    row = session.ranking.iloc[0]
    assert (first["rank"], first["score"], first["moved"]) == ("1", f"{row.score:.3f}", "")
    assert results.grid.total == len(results.grid.figures) == 48
    assert results.count.lines[0]["text"] == "48 images ranked"
    session.judge_result(results.grid.figures[-1]["name"], 1)
    assert results.grid.judged == {results.grid.figures[-1]["name"]: 1}
    assert results.grid.stale
    assert session.wait(60)
    moved = dict(zip(session.ranking["image_id"], session.ranking["moved"], strict=True))
    for figure in results.grid.figures:
        places = moved[figure["name"]]
        assert figure["moved"] == (f"{'▲' if places > 0 else '▼'} {abs(places)}" if places else "")
    assert any(figure["moved"].startswith("▲") for figure in results.grid.figures)


def test_a_click_studies_an_image_and_a_mark_selects_it(session: Session) -> None:
    results, other = Results(session), Results(session)
    name = results.grid.figures[3]["name"]
    results.grid.current = name
    assert session.image == other.grid.current == name
    results.grid.marked = [name]
    assert session.selection == (name,)
    assert results.show.value == "all"  # it was selected here, to be looked at beside the others
    session.selection = tuple(figure["name"] for figure in results.grid.figures[5:8])
    assert results.show.value == "selection"
    assert tuple(figure["name"] for figure in results.grid.figures) == session.selection
    assert results.grid.marked == list(session.selection)
    session.selection = ()
    assert (results.grid.figures, results.grid.total) == ([], 0)
    assert results.grid.empty.startswith("Nothing is selected")


def test_filters_show_what_went_wrong_and_say_how_much(session: Session) -> None:
    results = Results(session)
    results.show.value = "missed positives"
    errors, missed = filters.errors_and_missed(session.ranking, PROTOCOLS["labels"])
    assert [figure["name"] for figure in results.grid.figures] == list(session.ranking["image_id"][missed])
    assert results.count.lines[0]["text"].startswith(f"{missed.sum()} of 7 positives")
    results.show.value = "errors only"
    assert len(results.grid.figures) == errors.sum()
    results.size.value = "large"
    assert results.grid.size == "large"


def test_an_index_that_reaches_few_images_says_so(session: Session) -> None:
    results = Results(session)
    session.pipeline = f"{PIPELINE}/ivf:12:1"
    assert session.wait(60)
    assert not session.failed, session.message
    reached = len(session.ranking)
    assert 0 < reached < 48
    assert results.count.lines[0]["text"] == f"{reached} of 48 images reached by the index"
    results.show.value = "missed positives"
    found = set(session.ranking["image_id"][session.ranking["relevance"] == "positive"])
    lost = [figure["name"] for figure in results.grid.figures if figure["rank"] == "not reached"]
    every = set(session.bench.collection.relevance[session.query])
    assert set(lost) == every - found
    assert all(figure["score"] == "" for figure in results.grid.figures if figure["name"] in lost)
    assert ("not reached by the index" in results.count.lines[0]["text"]) == bool(lost)


def test_a_picture_whose_file_is_gone_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "photos", 6)
    session = Session(workbench.open(folder, cache=tmp_path), pipeline="efficientnet_lite0/mean/whole")
    session.refresh()
    assert session.wait(60)
    results = Results(session)
    gone, other = (figure["name"] for figure in results.grid.figures[1:3])
    (folder / gone).unlink()
    sent: list[bytes] = []
    monkeypatch.setattr(results.grid, "send", lambda content, buffers: sent.extend(buffers))
    results.grid._handle_custom_msg({"pictures": [gone, other], "side": 160}, [])
    assert results.grid.runner.wait(60)
    assert sent[0] == b"" and sent[1].startswith(b"\xff\xd8")


def test_ten_quick_changes_run_the_last_one_only(session: Session) -> None:
    ranked: list[str] = []
    session.observe(lambda change: ranked.append(session.ranked[0]), "ranking")
    pipelines = [f"efficientnet_lite0/gem:{power}/whole" for power in range(2, 12)]
    for pipeline in pipelines:
        session.pipeline = pipeline
    assert session.wait(60)
    assert ranked == [session.pipeline] == pipelines[-1:]


def test_memory_stays_flat_over_100_changes(session: Session) -> None:
    results = Results(session)
    pipelines = [f"efficientnet_lite0/{pooling}/whole" for pooling in ("max", "mean", "gem:3", "crow")]
    names = list(session.queries)

    def change(number: int) -> None:
        session.pipeline = pipelines[number % len(pipelines)]
        session.choose(names[number % len(names)])
        results.size.value = ("small", "large")[number % 2]
        asked = {"pictures": [figure["name"] for figure in results.grid.figures], "side": 160}
        results.grid._handle_custom_msg(asked, [])
        assert session.wait(60) and results.grid.runner.wait(60)

    def held() -> tuple[int, int]:
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(tools)
        return sum(trace.size for trace in snapshot.traces), live_widgets()

    # What tracing itself keeps, and the lines that coverage has seen, are not the panel's.
    tools = [tracemalloc.Filter(False, f"*{name}*") for name in ("tracemalloc", "coverage")]
    tracemalloc.start()
    try:
        for number in range(25):  # caches fill
            change(number)
        memory, widgets = held()
        for number in range(100):
            change(number)
        after, still = held()
    finally:
        tracemalloc.stop()
    assert not session.failed, session.message
    assert still == widgets
    assert after - memory < 250_000  # bytes; a ranking left behind at each change would be 0.5 to 1 MB


# Where it is.


def test_boxes_are_where_the_bench_locates_the_query(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, sent = Results(session), list[dict[str, Any]]()
    monkeypatch.setattr(results.grid, "send", lambda content, buffers=None: sent.append(content))
    results.boxes.switch.value = True
    assert session.wait(60) and not session.failed
    boxes = {name: box for message in sent for name, box in message.get("boxes", {}).items()}
    assert list(boxes) == [one["name"] for one in results.grid.figures]  # the first are located first
    for name in list(boxes)[:3]:
        found = bench.locate(session.query, name, pipeline=PIPELINE)
        width, height = bench.picture(name).size
        assert boxes[name] == pytest.approx(np.array(found.box) / [width, height, width, height])
    sent.clear()
    results.boxes.switch.value = False
    assert session.wait(60) and sent == [{"boxes": {}}]


def test_where_there_is_no_map_boxes_are_refused_and_it_is_said(bench: Bench) -> None:
    session = Session(bench, pipeline="sift/bow:16/whole")
    results = Results(session)
    session.refresh()
    assert session.wait(120)
    results.boxes.switch.value = True
    assert session.wait(60)
    assert session.failed and "map" in session.message
