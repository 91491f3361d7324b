"""Words, drawings and combined queries in the query panel, without a browser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.panels import combined_query, session_file
from workbench.panels.explanation.panel import Explanation
from workbench.panels.query.panel import QueryPicker
from workbench.panels.results.panel import Results
from workbench.panels.results.parts import PartColumns
from workbench.panels.session import Session
from workbench.query.query import Query

PIPELINE = "efficientnet_lite0/max/rmac:2"


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture
def searching(bench: Bench) -> Iterator[Session]:
    """A session that ranks at each change."""
    opened_session = Session(bench, pipeline=PIPELINE)
    yield opened_session
    opened_session.cancel()
    assert opened_session.wait(120)


@pytest.fixture
def session(searching: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose state is tested without rankings."""
    monkeypatch.setattr(Session, "refresh", lambda *_: None)
    return searching


@pytest.fixture
def picker(session: Session) -> QueryPicker:
    return QueryPicker(session)


def drawing(*line: tuple[int, int]) -> bytes:
    paper = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(paper).line(line, "black", 6)
    data = io.BytesIO()
    paper.save(data, "PNG")
    return data.getvalue()


def chips(picker: QueryPicker) -> list[dict[str, Any]]:
    assert picker.chips.widget.runner.wait(60)
    return picker.chips.widget.chips


def receive(widget: Any, content: dict[str, Any], *buffers: bytes) -> None:
    """A message from the browser."""
    widget._handle_custom_msg(content, list(buffers))


def test_words_are_searched_or_join_the_query(session: Session, picker: QueryPicker) -> None:
    first = session.query
    receive(picker.text.words, {"enter": 'a "red" car'})
    assert session.expression == 'text:"a ""red"" car"'
    assert picker.text.whole.value == session.expression
    assert (picker.select.value, picker.strip.chosen) == (None, -1)
    assert picker.image.crop.layout.display == "none"
    picker.add.value = True
    receive(picker.text.words, {"enter": "  at night "})
    picker.take(first)
    assert session.expression == f'text:"a ""red"" car" + text:"at night" + image:{first}'
    assert picker.image.crop.layout.display is None  # the picture is a part of the query
    picker.image.set_box([8, 8, 90, 80])
    assert session.expression.endswith(f"image:{first}[8,8,90,80]") and session.box is None
    assert picker.image.crop.box == [8, 8, 90, 80]
    for expected in (
        f'text:"a ""red"" car" + text:"at night" + image:{first}',
        'text:"a ""red"" car" + text:"at night"',
        'text:"a ""red"" car"',
        "",
    ):
        picker.feedback.undo.click()
        assert session.expression == expected
    assert not session.can_undo and picker.text.whole.value == f"image:{first}"
    assert picker.select.value == first


def test_errors_of_words_and_lines_are_below_their_field(session: Session, picker: QueryPicker) -> None:
    receive(picker.text.words, {"enter": "   "})
    assert "empty" in picker.text.words.error["sentence"]
    receive(picker.text.words, {"enter": "x" * 10_000})
    assert "10,000 characters" in picker.text.words.error["sentence"]
    line = 'image:p04 + text"x"'
    receive(picker.text.whole, {"enter": line})
    error = picker.text.whole.error
    assert (error["line"], error["position"]) == (line, line.index("text"))
    assert session.expression == "" and session.message == ""
    receive(picker.text.words, {"enter": "<img src=x onerror=alert(1)>"})
    assert picker.text.words.error == picker.text.whole.error == {}


def test_one_picture_in_the_line_is_the_picture_query(session: Session, picker: QueryPicker) -> None:
    first, second = list(session.queries)[:2]
    session.judge_result(second, 1)
    receive(picker.text.whole, {"enter": f"image:{first}[4,4,60,60]"})
    assert (session.query, session.box, session.expression) == (first, (4, 4, 60, 60), "")
    assert session.feedback == {second: 1}
    session.undo()
    session.also = (second,)
    assert picker.text.whole.value == f"image:{first} + image:{second}"
    receive(picker.text.whole, {"enter": f"image:{first} + 0.5 image:{second}"})
    assert session.also == () and session.expression == f"image:{first} + 0.5 image:{second}"
    combined_query.without_part(session, 1)
    assert (session.query, session.expression) == (first, "")
    picker.take(second)
    session.undo()
    assert (session.query, session.expression, session.feedback) == (first, "", {second: 1})


def test_parts_are_weighed_switched_and_removed(session: Session, picker: QueryPicker) -> None:
    first, second = list(session.queries)[:2]
    session.expression = f"image:{first} + 0.5 image:{second}"
    shown = chips(picker)
    assert [(chip["name"], chip["weight"], chip["on"]) for chip in shown] == [
        (first, 1, True),
        (second, 0.5, True),
    ]
    assert all(chip["picture"].startswith(b"\xff\xd8") for chip in shown)
    change = {"chip": 1, "id": f"image:{second}"}
    for weight in (-0.1, -0.2, -0.3):  # as a slider moves: one step of the undo
        receive(picker.chips.widget, {**change, "weight": weight})
    assert session.expression == f"image:{first} - 0.3 image:{second}"
    receive(picker.chips.widget, {**change, "on": False})
    assert session.expression == f"image:{first} + 0 image:{second}"
    assert (chips(picker)[1]["weight"], chips(picker)[1]["on"]) == (-0.3, False)
    receive(picker.chips.widget, {**change, "on": True})
    assert session.expression == f"image:{first} - 0.3 image:{second}"
    receive(picker.chips.widget, {"chip": 1, "id": "image:another", "remove": True})  # no longer shown
    assert session.expression == f"image:{first} - 0.3 image:{second}"
    for _ in range(3):
        session.undo()
    assert session.expression == f"image:{first} + 0.5 image:{second}"
    receive(picker.chips.widget, {**change, "remove": True})
    assert (session.query, session.expression) == (first, "") and chips(picker) == []


def test_drawing_is_a_part_that_follows_the_canvas(session: Session, picker: QueryPicker) -> None:
    sketch, first = picker.sketch, session.query
    assert sketch.canvas.layout.display == "none"
    sketch.switch.value = True
    assert sketch.canvas.layout.display is None and picker.image.crop.layout.display == "none"
    strokes = [{"colour": "#000000", "width": 6, "points": [[1, 1], [99, 99]]}]
    sketch.canvas.strokes = strokes
    receive(sketch.canvas, {"drawn": True}, drawing((1, 1), (99, 99)))
    assert session.lane("drawing").wait(60)
    before = session.expression
    part = Query.parse(before).parts[0][0]
    assert part.kind == "sketch" and Path(part.value).is_file()
    sketch.canvas.reading = "colours"
    assert session.expression == before.replace("sketch:", "colours:")
    session.undo()
    assert session.expression == before and sketch.canvas.reading == "contours"
    picker.add.value = True
    receive(picker.text.words, {"enter": "a boat"})
    sketch.canvas.strokes = strokes * 2
    receive(sketch.canvas, {"drawn": True}, drawing((1, 1), (99, 99), (300, 20)))
    assert session.lane("drawing").wait(60)
    assert session.expression.endswith('+ text:"a boat"') and not session.expression.startswith(before)
    session.undo()
    assert session.expression == f'{before} + text:"a boat"'
    assert sketch.canvas.strokes == strokes  # the canvas shows the drawing of the query again
    receive(sketch.canvas, {"drawn": False})  # all strokes are undone
    assert session.lane("drawing").wait(60)
    assert session.expression == 'text:"a boat"'
    session.choose(first)
    assert sketch.canvas.strokes == [] and session.expression == ""


def test_results_show_what_each_part_adds(searching: Session) -> None:
    session = searching
    results = Results(session)
    first, second = list(session.queries)[:2]
    session.expression = f"image:{first} - 0.3 image:{second}"
    ranking = settled(session).ranking
    columns = PartColumns(ranking)
    assert columns.names == [first, second]
    top = ranking[["part 1", "part 2"]].abs().to_numpy().max()
    row = ranking.iloc[0]
    assert results.grid.figures[0]["parts"] == pytest.approx(
        [row["part 1"] / top, row["part 2"] / top], abs=1e-3
    )
    assert results.grid.figures[0]["said"][1] == f"{second} {row['part 2']:+.2f}"
    assert results.count.lines[-1]["text"] == f"Bars: {first} · {second}"
    session.expression = f"image:{first} + 0 image:{second}"
    assert "part 1" not in settled(session).ranking  # one part is in use: the search for a picture
    session.undo()
    session.judge_result(second, -1)
    assert PartColumns(settled(session).ranking).names == [first, second, "feedback"]
    assert f"by the positives of {first}" in results.numbers.lines[1]["text"]
    session.expression = f"image:{first} and image:lost.jpg"
    assert session.wait(120) and session.failed and "lost.jpg" in session.message
    assert session.expression == f"image:{first} and image:lost.jpg"  # nothing is lost


def test_explanation_has_the_heat_and_the_contribution_of_each_part(searching: Session) -> None:
    session = searching
    panel = Explanation(session)
    first, second = list(session.queries)[:2]
    session.expression = f"image:{first} - 0.3 image:{second}"
    ranking = settled(session).ranking
    row = ranking.iloc[0]
    study = panel.combined.study
    assert study is not None and panel.study is None and panel.body.layout.display == "none"
    assert panel.lines.lines[0]["text"] == f"Score {row['score']:.3f}"
    bars, (whole,) = study.bars["bars"], study.bars["rest"]
    assert [bar["text"] for bar in bars] == [first, f"−0.3 · {second}"]
    values = [float(bar["value"].replace("−", "-")) for bar in (*bars, whole)]
    assert values == pytest.approx([row["part 1"], row["part 2"], row["score"]], abs=1e-3)
    assert len(study.views) == 3 and all(view["opens"] == row["image_id"] for view in study.views)
    receive(panel.combined.views[1], {"region": -1, "box": [0.25, 0.5, 0.5, 1], "opens": row["image_id"]})
    assert session.lane("region").wait(60)
    assert session.expression.endswith(f" - 0.5 image:{row['image_id']}[32,48,64,96]")
    session.expression = f"image:{first} and image:{second}"
    settled(session)
    decided = [line["text"] for line in panel.lines.lines if line["text"].startswith("Decided by")]
    assert len(decided) == 1
    session.choose(second)
    settled(session)
    assert panel.combined.study is None and panel.study is not None


def test_combined_query_is_saved_and_restored(bench: Bench, session: Session, tmp_path: Path) -> None:
    first, second = list(session.queries)[:2]
    session.expression = f"image:{first} + 0.5 image:{second}"
    session.judge_result(second, 1)
    session_file.save(session, tmp_path / "session.json")
    after = Session(bench, pipeline=PIPELINE)
    assert session_file.restore(after, tmp_path / "session.json") == []
    assert (after.expression, after.feedback) == (session.expression, {second: 1})
    after.undo()
    assert after.expression == "" and after.feedback == {}
    after.cancel()
    assert after.wait(120)


def test_joints_of_nested_queries() -> None:
    query = Query.parse("(image:a + image:b) and image:c or image:d left of image:e")
    assert combined_query.joints(query) == ["", "", "and", "or", "left of"]
    changed = combined_query.with_part(query, 2, Query.text("x").parts[0][0])
    assert str(changed) == 'image:a + image:b and text:"x" or image:d left of image:e'
