"""The results panel without a browser: pages, pictures, filters and memory."""

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
    opened_session = Session(bench, pipeline=PIPELINE)
    opened_session.refresh()
    assert opened_session.wait(120)
    assert not opened_session.failed, opened_session.message
    yield opened_session
    assert opened_session.wait(120)


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


# Filters


def test_errors_occupy_the_places_of_missed_positives() -> None:
    # Three positives; without junk and the query, the first three places are the ranks 2, 4 and 5.
    table = ranking("query", "easy", "junk", "negative", "negative", "hard", "negative", "junk", "easy")
    assert list(filters.shown(table, "errors only", MEDIUM, ())["rank"]) == [4, 5]
    assert list(filters.shown(table, "missed positives", MEDIUM, ())["rank"]) == [6, 9]
    assert len(filters.shown(table, "all", MEDIUM, ())) == 9
    assert list(filters.shown(table, "selection", MEDIUM, ("9.jpg", "1.jpg", "other"))["rank"]) == [1, 9]


@given(st.lists(st.sampled_from(["easy", "hard", "junk", "negative", "query"]), max_size=30))
def test_errors_equal_missed_positives_and_a_perfect_ranking_has_none(relevance: list[str]) -> None:
    errors, missed = filters.errors_and_missed(ranking(*relevance), MEDIUM)
    positives = sum(grade in ("easy", "hard") for grade in relevance)
    # There can be fewer negatives than positives.
    assert errors.sum() == missed.sum() <= positives
    perfect = sorted(relevance, key=lambda grade: grade not in ("easy", "hard"))
    assert not any(wrong.any() for wrong in filters.errors_and_missed(ranking(*perfect), MEDIUM))


def test_unreached_positives_are_missed() -> None:
    # Four positives, two of them reached: they belong on places 1 to 4, of which three are filled here.
    short = ranking("easy", "negative", "easy")
    grades = {"1.jpg": "easy", "3.jpg": "easy", "8.jpg": "hard", "9.jpg": "easy", "7.jpg": "junk"}
    table = filters.with_unreached(short, grades)
    assert list(table["rank"]) == [1, 2, 3, 0, 0, 0]
    missed = filters.shown(table, "missed positives", MEDIUM, ())
    assert list(missed["image_id"]) == ["8.jpg", "9.jpg"]
    assert list(filters.shown(table, "errors only", MEDIUM, ())["rank"]) == [2]
    assert len(filters.shown(table, "all", MEDIUM, ())) == 3
    assert filters.summary(table, table, "all", MEDIUM, 9) == "3 of 9 images reached by the index"
    assert filters.summary(table, missed, "missed positives", MEDIUM, 9) == (
        "2 of 4 positives are below the first 4 places; 2 of them not reached by the index"
    )
    assert filters.with_unreached(short, {"1.jpg": "easy"}) is short


def test_ranking_without_ground_truth_has_no_errors() -> None:
    assert filters.shown(ranking("unknown", "query"), "errors only", None, ()).empty


# A grid of any length


class Wire(Scroll):
    """A grid that records its messages to the browser."""

    def __init__(self, pause: float = 0.0, **traits: Any) -> None:
        self.pause = pause
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.failures: list[str] = []
        super().__init__(self.picture_of, self.failures.append, look="ranked", **traits)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, list(buffers or [])))

    def picture_of(self, name: str, side: int) -> bytes:
        if name == "broken":
            raise ZeroDivisionError("division by zero")
        time.sleep(self.pause)
        return f"{name} {side}".encode()


def page(start: int, stop: int) -> list[Figure]:
    return [{"name": f"n{number}", "alt": ""} for number in range(start, stop)]


def test_pages_and_pictures_are_sent_on_request() -> None:
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


def test_slow_pictures_are_sent_in_batches() -> None:
    wire = Wire(pause=0.02)
    wire.show(8, page)
    wire._handle_custom_msg({"pictures": [f"n{n}" for n in range(8)], "side": 160}, [])
    assert wire.runner.wait(10)
    assert len(wire.sent) >= 4
    assert [name for content, _ in wire.sent for name in content["pictures"]] == [f"n{n}" for n in range(8)]


def test_page_of_an_older_ranking_is_not_sent() -> None:
    wire = Wire()
    wire.show(450, page)
    older = wire.version
    wire.show(450, lambda start, stop: page(start + 1000, stop + 1000))
    wire._handle_custom_msg({"page": 200, "version": older}, [])
    assert wire.sent == []


def test_error_in_a_picture_is_reported() -> None:
    wire = Wire()
    wire.show(1, page)
    wire._handle_custom_msg({"pictures": ["broken"], "side": 160}, [])
    assert wire.runner.wait(10)
    assert "ZeroDivisionError" in wire.failures[0]


# The panel


def test_captions_contain_rank_score_relevance_and_rank_change(session: Session) -> None:
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
    rank_changes = dict(zip(session.ranking["image_id"], session.ranking["moved"], strict=True))
    for figure in results.grid.figures:
        places = rank_changes[figure["name"]]
        assert figure["moved"] == (f"{'▲' if places > 0 else '▼'} {abs(places)}" if places else "")
    assert any(figure["moved"].startswith("▲") for figure in results.grid.figures)


def test_click_opens_an_image_and_mark_selects_it(session: Session) -> None:
    results, twin = Results(session), Results(session)
    name = results.grid.figures[3]["name"]
    results.grid.current = name
    assert session.image == twin.grid.current == name
    results.grid.marked = [name]
    assert session.selection == (name,)
    assert results.show.value == "all"  # it was selected here, so it stays on this page
    session.selection = tuple(figure["name"] for figure in results.grid.figures[5:8])
    assert results.show.value == "selection"
    assert tuple(figure["name"] for figure in results.grid.figures) == session.selection
    assert results.grid.marked == list(session.selection)
    session.selection = ()
    assert (results.grid.figures, results.grid.total) == ([], 0)
    assert results.grid.empty.startswith("Nothing is selected")


def test_filters_show_errors_and_their_number(session: Session) -> None:
    results = Results(session)
    results.show.value = "missed positives"
    errors, missed = filters.errors_and_missed(session.ranking, PROTOCOLS["labels"])
    assert [figure["name"] for figure in results.grid.figures] == list(session.ranking["image_id"][missed])
    assert results.count.lines[0]["text"].startswith(f"{missed.sum()} of 7 positives")
    results.show.value = "errors only"
    assert len(results.grid.figures) == errors.sum()
    results.size.value = "large"
    assert results.grid.size == "large"


def test_number_of_images_reached_by_the_index_is_shown(session: Session) -> None:
    results = Results(session)
    session.pipeline = f"{PIPELINE}/ivf:12:1"
    assert session.wait(60)
    assert not session.failed, session.message
    reached = len(session.ranking)
    assert 0 < reached < 48
    assert results.count.lines[0]["text"] == f"{reached} of 48 images reached by the index"
    results.show.value = "missed positives"
    ranked_positives = set(session.ranking["image_id"][session.ranking["relevance"] == "positive"])
    unreached = [figure["name"] for figure in results.grid.figures if figure["rank"] == "not reached"]
    positives = set(session.bench.collection.relevance[session.query])
    assert set(unreached) == positives - ranked_positives
    assert all(figure["score"] == "" for figure in results.grid.figures if figure["name"] in unreached)
    assert ("not reached by the index" in results.count.lines[0]["text"]) == bool(unreached)


def test_picture_of_a_missing_file_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "photos", 6)
    session = Session(workbench.open(folder, cache=tmp_path), pipeline="efficientnet_lite0/mean/whole")
    session.refresh()
    assert session.wait(60)
    results = Results(session)
    missing, present = (figure["name"] for figure in results.grid.figures[1:3])
    (folder / missing).unlink()
    sent: list[bytes] = []
    monkeypatch.setattr(results.grid, "send", lambda content, buffers: sent.extend(buffers))
    results.grid._handle_custom_msg({"pictures": [missing, present], "side": 160}, [])
    assert results.grid.runner.wait(60)
    assert sent[0] == b"" and sent[1].startswith(b"\xff\xd8")


def test_only_the_last_of_ten_quick_changes_runs(session: Session) -> None:
    ranked: list[str] = []
    session.observe(lambda change: ranked.append(session.ranked[0]), "ranking")
    pipelines = [f"efficientnet_lite0/gem:{power}/whole" for power in range(2, 12)]
    for pipeline in pipelines:
        session.pipeline = pipeline
    assert session.wait(60)
    assert ranked == [session.pipeline] == pipelines[-1:]


def test_memory_does_not_grow_over_100_changes(session: Session) -> None:
    results = Results(session)
    pipelines = [f"efficientnet_lite0/{pooling}/whole" for pooling in ("max", "mean", "gem:3", "crow")]
    names = list(session.queries)

    def change(number: int) -> None:
        session.pipeline = pipelines[number % len(pipelines)]
        session.choose(names[number % len(names)])
        results.size.value = ("small", "large")[number % 2]
        request = {"pictures": [figure["name"] for figure in results.grid.figures], "side": 160}
        results.grid._handle_custom_msg(request, [])
        assert session.wait(60) and results.grid.runner.wait(60)

    def held() -> tuple[int, int]:
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(tools)
        return sum(trace.size for trace in snapshot.traces), live_widgets()

    # Memory of tracing and of coverage does not belong to the panel.
    tools = [tracemalloc.Filter(False, f"*{name}*") for name in ("tracemalloc", "coverage")]
    tracemalloc.start()
    try:
        for number in range(25):  # fill the caches
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


# Boxes of the query


def test_boxes_match_the_location_of_the_query(
    bench: Bench, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, sent = Results(session), list[dict[str, Any]]()
    monkeypatch.setattr(results.grid, "send", lambda content, buffers=None: sent.append(content))
    results.boxes.switch.value = True
    assert session.wait(60) and not session.failed
    boxes = {name: box for message in sent for name, box in message.get("boxes", {}).items()}
    assert list(boxes) == [figure["name"] for figure in results.grid.figures]  # in the order of the ranking
    for name in list(boxes)[:3]:
        location = bench.locate(session.query, name, pipeline=PIPELINE)
        width, height = bench.picture(name).size
        assert boxes[name] == pytest.approx(np.array(location.box) / [width, height, width, height])
    sent.clear()
    results.boxes.switch.value = False
    assert session.wait(60) and sent == [{"boxes": {}}]


def test_boxes_without_a_map_are_rejected_with_a_message(bench: Bench) -> None:
    session = Session(bench, pipeline="sift/bow:16/whole")
    results = Results(session)
    session.refresh()
    assert session.wait(120)
    results.boxes.switch.value = True
    assert session.wait(60)
    assert session.failed and "map" in session.message


def test_first_pictures_are_sent_without_a_request() -> None:
    """A request would wait until all cells have run."""
    shown = Scroll(lambda name, side: f"{name} {side}".encode(), pytest.fail, label="", look="ranked")
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    shown.send = lambda content, buffers=None: sent.append((content, buffers or []))
    figures = [Figure(name=str(number)) for number in range(30)]
    shown.show(30, lambda start, stop: figures[start:stop])
    assert shown.runner.wait(10)
    names = [name for content, _ in sent for name in content["pictures"]]
    assert names == [str(number) for number in range(grid.AHEAD)]
    assert [picture for _, buffers in sent for picture in buffers] == [f"{n} 160".encode() for n in names]
    sent.clear()
    shown.show(30, lambda start, stop: figures[start:stop][::-1])  # the pictures are on screen already
    assert shown.runner.wait(10)
    assert sent == []
