"""The query panel and its parts without a browser, on a bench of generated images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import traitlets as T
from PIL import Image

import workbench as wb
from tests.support.pictures import folder_of, picture
from tests.support.sessions import settled
from workbench.bench.bench import Bench
from workbench.collections.uploads import display_name, store_upload
from workbench.config.errors import WorkbenchError
from workbench.panels.query.feedback import effect
from workbench.panels.query.panel import PAGE, QueryPicker, hardest
from workbench.panels.session import Session
from workbench.panels.widgets.uploads import LARGEST, Uploads
from workbench.search.relevance_feedback import Feedback

PIPELINE = "efficientnet_lite0/max/rmac:2"


@pytest.fixture(scope="module")
def bench(bench24: Bench) -> Bench:
    return bench24


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    opened_session = Session(bench, pipeline=PIPELINE)
    opened_session.refresh()
    yield settled(opened_session)
    assert opened_session.wait(120)


def jpeg(seed: int = 99, size: tuple[int, int] = (160, 90)) -> bytes:
    data = io.BytesIO()
    picture(seed, size).save(data, "JPEG")
    return data.getvalue()


def place(session: Session, image: str) -> int:
    ranks = session.ranking.set_index("image_id")["rank"]
    return int(ranks[image])


# Feedback


def test_liked_result_rises_and_the_evaluation_is_unchanged(session: Session) -> None:
    evaluation, last = session.evaluation, session.ranking["image_id"].iloc[-1]
    before = place(session, last)
    session.judge_result(last, 1)
    assert settled(session).ranked.feedback == Feedback((last,), ())
    assert place(session, last) < before
    rank_changes = session.ranking.set_index("image_id")["moved"]
    assert rank_changes[last] == before - place(session, last)
    assert rank_changes.sum() == 0  # the sum of rank changes is zero
    assert session.evaluation is evaluation
    expected = session.bench.search(
        session.query, pipeline=PIPELINE, k=None, feedback=Feedback((last,), (), "rocchio")
    )
    pd.testing.assert_frame_equal(session.ranking, expected)


def test_judgements_can_be_removed_undone_and_cleared(session: Session) -> None:
    first, second = session.ranking["image_id"].iloc[[3, 4]]
    session.judge_result(first, 1)
    session.judge_result(second, -1)
    assert session.feedback == {first: 1, second: -1}
    session.judge_result(second, -1)  # the same judgement again removes it
    session.judge_result(first, -1)
    assert session.feedback == {first: -1}
    session.clear_feedback()
    assert session.feedback == {} and session.refinement is None
    for expected in ({first: -1}, {first: 1}, {first: 1, second: -1}, {first: 1}, {}):
        assert session.can_undo
        session.undo()
        assert session.feedback == expected
    assert not session.can_undo
    session.undo()  # undo without judgements is no error
    with pytest.raises(WorkbenchError, match="judgement 3 of"):
        session.judge_result(first, 3)


def test_feedback_and_further_queries_are_cleared_with_the_query(session: Session) -> None:
    query = list(session.queries)[5]
    session.judge_result(session.ranking["image_id"].iloc[2], 1)
    session.also = (list(session.queries)[9],)
    session.query = query
    assert session.feedback == {} and session.also == ()
    assert settled(session).ranked == (PIPELINE, query, None, (), None, "")
    assert "moved" not in session.ranking


def test_restored_session_keeps_the_feedback_of_its_query(session: Session) -> None:
    query, further = list(session.queries)[6:8]
    image = session.bench.collection.images[2]
    with session.hold_trait_notifications():
        session.also, session.feedback, session.query = (further,), {image: -1}, query
    assert session.also == (further,) and session.feedback == {image: -1}


def test_svm_is_used_once_there_is_a_negative(session: Session) -> None:
    picker = QueryPicker(session)
    feedback = picker.feedback
    feedback.method.value = "svm"
    session.judge_result(session.ranking["image_id"].iloc[1], 1)
    assert settled(session).ranked.feedback is None
    assert "bad" in feedback.text.lines[0]["text"]
    session.judge_result(session.ranking["image_id"].iloc[-1], -1)
    assert settled(session).ranked.feedback.method == "svm"
    assert feedback.text.lines[0]["text"] == effect(session.ranking)
    assert "mAP" in feedback.text.lines[1]["text"]


def test_judged_images_are_shown_and_can_be_removed(session: Session) -> None:
    feedback = QueryPicker(session).feedback
    assert (feedback.undo.disabled, feedback.clear.disabled) == (True, True)
    liked, disliked = session.ranking["image_id"].iloc[[2, 5]]
    session.judge_result(liked, 1)
    session.judge_result(disliked, -1)
    assert feedback.judged.runner.wait(60)
    assert [(t["id"], t["sign"], t["kind"]) for t in feedback.judged.tokens] == [
        (liked, "+", "liked"),
        (disliked, "−", "disliked"),
    ]
    assert all(token["picture"].startswith(b"\xff\xd8") for token in feedback.judged.tokens)
    feedback.remove(liked)
    assert session.feedback == {disliked: -1}
    assert (feedback.undo.disabled, feedback.clear.disabled) == (False, False)
    feedback.clear.click()
    assert session.feedback == {} and feedback.clear.disabled
    feedback.undo.click()
    assert session.feedback == {disliked: -1}


def test_effect_of_feedback_is_described() -> None:
    ranks = np.arange(1, 13)
    rank_changes = [0] * 9 + [2, 0, -2]  # rank 12 became rank 10
    assert (
        effect(pd.DataFrame({"rank": ranks, "moved": rank_changes})) == "1 new in the first 10 · ▲ 2 to ▼ 2"
    )
    assert effect(pd.DataFrame({"rank": ranks, "moved": 0 * ranks})) == "Feedback moved nothing."


# Queries: several, hard ones, and search by name


def test_images_are_added_to_the_query_while_add_is_pressed(session: Session) -> None:
    picker = QueryPicker(session)
    first, second, third = list(session.queries)[:3]
    assert session.query == first
    picker.add.value = True
    for number in (1, 2, 1, 0):  # an image is added once, and the query is not added
        picker.take(picker.on_page()[number])
    assert session.also == (second, third)
    assert settled(session).ranked.also == (second, third)
    expected = session.bench.search(first, pipeline=PIPELINE, k=None, also=(second, third))
    pd.testing.assert_frame_equal(session.ranking, expected)
    assert picker.also.runner.wait(60)
    assert [token["id"] for token in picker.also.tokens] == [second, third]
    assert "mean of 3" in picker.mean.lines[0]["text"]
    picker.drop(second)
    assert session.also == (third,)
    picker.add.value = False
    picker.take(picker.on_page()[1])
    assert (session.query, session.also) == (second, ())


def test_hard_queries_are_in_the_lowest_quarter_of_ap(session: Session) -> None:
    picker = QueryPicker(session)
    ap = session.evaluation.per_query.set_index("query")["ap"]
    hard = hardest(session.evaluation)
    assert len(hard) == 6
    assert ap[hard].max() <= ap.drop(hard).min()
    for _ in range(5):
        before = session.query
        picker.hard.click()
        assert session.query in hard and session.query != before
    session.pipeline = "efficientnet_lite0/mean/whole"  # not computed yet for this pipeline
    assert picker.hard.disabled and "evaluated" in picker.hard.tooltip
    settled(session)
    assert not picker.hard.disabled


def test_thumbnails_are_filtered_by_a_part_of_their_name(session: Session) -> None:
    picker = QueryPicker(session)
    names = list(session.queries)
    picker.find.value = "KIND1/"
    assert picker.strip.runner.wait(60)
    matching = [name for name in names if name.startswith("kind1/")]
    assert [figure["name"] for figure in picker.strip.figures] == matching
    assert picker.strip.chosen == -1
    picker.take(picker.on_page()[2])
    assert session.query == picker.select.value == matching[2]
    assert picker.strip.chosen == 2
    picker.select.value = names[-1]  # a query of another kind: the search results stay
    assert (picker.names, picker.strip.chosen) == (matching, -1)
    picker.find.value = "nothing is called this"
    assert picker.on_page() == []
    picker.find.value = ""
    assert [*picker.names] == names and len(names) < PAGE


# The crop box


def test_search_follows_the_crop_box(session: Session) -> None:
    image = QueryPicker(session).image
    assert image.runner.wait(60)
    assert (image.crop.width, image.crop.height) == (128, 96)
    assert (image.crop.box, image.crop.own, image.crop.whole) == ([], True, True)
    image.set_box([10.2, 20, 89.6, 80])
    assert session.box == (10, 20, 90, 80)
    assert (image.crop.box, image.crop.own) == ([10, 20, 90, 80], False)
    expected = session.bench.search(session.query, box=(10, 20, 90, 80), pipeline=PIPELINE, k=None)
    pd.testing.assert_frame_equal(settled(session).ranking, expected)
    for small in ([10, 20, 17, 90], [50, 50, 40, 40]):
        with pytest.raises(WorkbenchError, match="too small"):
            image.set_box(small)
    with pytest.raises(WorkbenchError, match="four numbers"):
        image.set_box([0, 0, float("nan"), 9])
    assert session.box == (10, 20, 90, 80)
    image.set_box(None)
    assert session.box is None and image.crop.box == []


def test_crop_box_starts_as_the_box_of_the_query(tmp_path: Path) -> None:
    folder_of(tmp_path, 4)
    rows = [f"{n:03}.jpg,{n % 2},both,16,8,80,72" for n in range(4)]
    (tmp_path / "labels.csv").write_text("path,label,split,x0,y0,x1,y1\n" + "\n".join(rows))
    bench = wb.open(tmp_path / "labels.csv", cache=tmp_path / "cache")
    image = QueryPicker(Session(bench, pipeline=PIPELINE)).image
    assert image.runner.wait(60)
    assert (image.crop.box, image.crop.own, image.crop.whole) == ([16, 8, 80, 72], True, False)
    image.session.box = (0, 0, 40, 40)
    assert (image.crop.box, image.crop.own) == ([0, 0, 40, 40], False)
    image.session.cancel()


@pytest.mark.parametrize("size", [(2000, 40), (30, 1500)])
def test_very_wide_and_tall_queries_keep_enough_resolution(
    session: Session, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = store_upload(jpeg(size=size), "long.jpg", tmp_path)
    session.add_file(path)
    session.choose(str(path))
    image = QueryPicker(session).image
    assert image.runner.wait(60)
    assert (image.crop.width, image.crop.height) == size
    assert min(Image.open(io.BytesIO(image.crop.picture)).size) >= 24
    settled(session)


def test_missing_file_is_reported_and_another_query_is_chosen(session: Session, tmp_path: Path) -> None:
    path = store_upload(jpeg(), "gone.jpg", tmp_path)
    picker, first = QueryPicker(session), session.query
    session.add_file(path)
    session.choose(str(path))
    settled(session)
    path.unlink()
    picker.image.show(None)
    assert picker.image.runner.wait(60)
    assert (picker.image.crop.picture, picker.image.crop.name) == (b"", "gone.jpg")
    session.refresh()
    assert settled(session).query == first and str(path) not in session.queries
    assert session.message == f"'gone.jpg' can no longer be read; {first!r} is the query now."
    assert session.ranked.query == first


# Uploaded images


def test_uploaded_image_is_searched_and_stays_a_query(session: Session) -> None:
    picker = QueryPicker(session)
    picker.receive("../my <b>holiday</b>.jpg", jpeg())
    name = settled(session).query
    path = Path(name)
    assert path.is_absolute() and path.parent == Path(session.bench.options.cache or "") / "uploads"
    assert path.read_bytes() == jpeg()
    assert picker.select.label == display_name(name) == "b_.jpg"
    assert set(session.ranking["relevance"]) == {"unknown"}
    session.refresh(again=True)
    assert settled(session).query == name
    session.box = (0, 0, 60, 60)
    assert len(settled(session).ranking) == 24
    explanation = session.bench.explain(
        name, session.ranking["image_id"][0], pipeline=PIPELINE, box=session.box
    )
    assert explanation.score == pytest.approx(session.ranking["score"][0], abs=1e-4)


def test_upload_can_be_added_to_the_query(session: Session) -> None:
    picker = QueryPicker(session)
    before = session.query
    picker.add.value = True
    picker.receive("mine.jpg", jpeg(5))
    assert settled(session).query == before
    assert [display_name(name) for name in session.also] == ["mine.jpg"]


@pytest.mark.parametrize("data", [b"", b"no image", jpeg()[:900]], ids=["empty", "text", "truncated"])
def test_unreadable_upload_is_reported_and_not_stored(session: Session, data: bytes) -> None:
    picker, query = QueryPicker(session), session.query
    folder = Path(session.bench.options.cache or "") / "uploads"
    before = set(folder.glob("*"))
    picker.receive("broken.jpg", data)
    assert session.wait(60)
    assert session.failed and session.message.startswith("'broken.jpg' cannot be used as a query: ")
    assert session.query == query and set(folder.glob("*")) == before


def test_upload_has_a_safe_name_and_is_stored_once(tmp_path: Path) -> None:
    path = store_upload(jpeg(), r"C:\photos\..\élan (1).JPG", tmp_path)
    assert path == store_upload(jpeg(), r"C:\photos\..\élan (1).JPG", tmp_path)
    assert list((tmp_path / "uploads").iterdir()) == [path]
    assert path.name.partition("-")[2] == "élan_1_.JPG"
    assert len(store_upload(jpeg(), "x" * 400 + ".jpg", tmp_path).name) < 64
    assert store_upload(jpeg(), "..", tmp_path).name.endswith("-image")
    assert store_upload(jpeg(1), "a.jpg", tmp_path) != store_upload(jpeg(2), "a.jpg", tmp_path)
    assert (
        display_name("kind 1/-a.jpg") == "kind 1/-a.jpg"
        and display_name(str(tmp_path / "b-c.jpg")) == "b-c.jpg"
    )


def test_parts_of_a_file_can_arrive_in_any_order() -> None:
    uploads, come, faults = Uploads(), [], []

    def guard(handler: Any) -> Any:
        def guarded(change: object) -> None:
            try:
                handler(change)
            except WorkbenchError as error:
                faults.append(str(error))

        return guarded

    uploads.on_file(lambda name, data: come.append((name, data)), guard)

    def send(file: str, start: int, part: bytes, size: int = 5) -> None:
        content = {"file": file, "name": f"{file}.jpg", "size": size, "start": start}
        uploads._handle_custom_msg(content, [memoryview(part)])

    send("one", 3, b"de")
    send("two", 0, b"12345")
    assert come == [("two.jpg", b"12345")]
    send("one", 0, b"abc")
    assert come[1:] == [("one.jpg", b"abcde")] and faults == []
    send("huge", 0, b"", LARGEST + 1)
    assert len(come) == 2 and "'huge.jpg' is larger" in faults[0]


def test_handlers_are_guarded(session: Session) -> None:
    image = QueryPicker(session).image
    image.crop._handle_custom_msg({"box": [1, 2]}, [])
    assert session.failed and "four numbers" in session.message
    with pytest.raises(T.TraitError):
        session.set_trait("feedback_method", "magic")
    session.tell("")
