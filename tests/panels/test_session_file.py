"""Session files: all state is restored, and from a damaged or foreign file as much as possible."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.support.extraction import NETWORK
from tests.support.pictures import folder_of, picture
from workbench.bench.bench import Bench
from workbench.config.errors import WorkbenchError
from workbench.panels import session_file
from workbench.panels.session import Session

PIPELINE, OTHER = f"{NETWORK}/max/whole", f"{NETWORK}/mean/rmac:2"
NAUGHTY = "kind0/<img src=x onerror=alert(1)> \"'.jpg"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 8, kinds=2)
    picture(40).save(folder / NAUGHTY)
    return opened(folder, tmp_path_factory.mktemp("cache"))


def opened(folder: Path, cache: Path) -> Bench:
    return wb.open(folder, labels="folders", cache=cache, size=128, device="cpu", precision="float32")


@pytest.fixture
def new_session(bench: Bench) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def open_session(of: Bench = bench) -> Session:
        sessions.append(Session(of, pipeline=f"{NETWORK}/gem:3/whole"))
        return sessions[-1]

    yield open_session
    for session in sessions:
        assert session.wait(120)


def filled(session: Session) -> Session:
    session.pipeline = PIPELINE
    session.choose(NAUGHTY)
    session.box = (4.0, 8.5, 60.0, 70.0)
    session.also = ("kind1/001.jpg",)
    session.feedback = {"kind1/003.jpg": 1, NAUGHTY: -1}
    session.feedback_method = "svm"
    session.image = "kind0/002.jpg"
    session.selection = ("kind0/000.jpg", NAUGHTY)
    session.compared = (PIPELINE, OTHER)
    session.a, session.b = OTHER, PIPELINE
    return session


def state(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in session_file._KEPT}


def changed(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content["state"] |= changes
    path.write_text(json.dumps(content))


def test_saved_session_is_restored_completely(new_session: Callable[..., Session], tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    before = filled(new_session())
    session_file.save(before, path)
    after = new_session()
    assert session_file.restore(after, path) == []
    assert state(after) == state(before)
    assert after.wait(120)
    assert not after.failed, after.message
    assert after.ranked == after.question  # the restored query was searched again
    assert state(after) == state(before)


def test_uploaded_query_is_restored_if_its_file_exists(
    new_session: Callable[..., Session], tmp_path: Path
) -> None:
    image, path = tmp_path / "mine.jpg", tmp_path / "session.json"
    picture(90).save(image)
    before = new_session()
    before.add_file(image)
    before.choose(str(image))
    session_file.save(before, path)
    assert session_file.restore(after := new_session(), path) == []
    assert after.query == str(image)
    image.unlink()
    assert session_file.restore(after := new_session(), path) == [
        f"query: the query '{image}' is not in this collection"
    ]
    assert after.query == before.bench.collection.queries[0].id


def test_missing_items_are_skipped_and_reported(new_session: Callable[..., Session], tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    session_file.save(filled(new_session()), path)
    changed(
        path,
        image="kind9/gone.jpg",
        selection=["kind0/000.jpg", "kind9/gone.jpg"],
        feedback={"kind9/gone.jpg": 1, "kind1/003.jpg": -1},
        compared=[PIPELINE, "nonsense"],
        box=[5, 5, 1, 1],
        feedback_method="magic",
        colour="blue",
    )
    after = new_session()
    messages = " | ".join(session_file.restore(after, path))
    for part in ("'kind9/gone.jpg' is not", "1 of 2 images selected", "1 of 2 images judged", "'nonsense'"):
        assert part in messages
    assert "box: " in messages and "'magic'" in messages and "'colour' is unknown" in messages
    assert (after.image, after.selection, after.box) == ("", ("kind0/000.jpg",), None)
    assert (after.feedback, after.compared) == ({"kind1/003.jpg": -1}, (PIPELINE,))
    assert (after.pipeline, after.query) == (PIPELINE, NAUGHTY)


@pytest.mark.parametrize("wrong", [5, None, [], ["x"], {"a": "b"}, "text", [[]], {"kind1/003.jpg": "up"}])
def test_value_of_a_wrong_type_is_restored_or_reported(
    new_session: Callable[..., Session], tmp_path: Path, wrong: Any
) -> None:
    path, session = tmp_path / "session.json", new_session()
    session_file.save(session, path)
    for name in session_file._KEPT:
        changed(path, **{**json.loads(json.dumps(state(session))), name: wrong})
        messages = session_file.restore(session, path)
        restored = state(session)[name]
        assert messages or restored == wrong or list(restored) == list(wrong)
    session.cancel()


def test_only_pipelines_are_restored_from_another_collection(
    new_session: Callable[..., Session], tmp_path: Path
) -> None:
    path = tmp_path / "session.json"
    session_file.save(filled(new_session()), path)
    other = opened(folder_of(tmp_path / "others", 6, kinds=2), tmp_path / "cache")
    after = new_session(other)
    (message,) = session_file.restore(after, path)
    assert "'others'" in message and "only pipelines" in message
    assert (after.pipeline, after.compared, after.a) == (PIPELINE, (PIPELINE, OTHER), OTHER)
    assert (after.query, after.selection, after.feedback) == (other.collection.queries[0].id, (), {})


def test_other_files_are_rejected_and_never_overwritten(
    new_session: Callable[..., Session], tmp_path: Path
) -> None:
    session, path = new_session(), tmp_path / "notebook.json"
    with pytest.raises(WorkbenchError, match="does not exist"):
        session_file.restore(session, path)
    for content in ("", "{", '{"cells": []}', "[1]", '{"format": "retrieval workbench session"}', "\xff"):
        path.write_text(content, encoding="latin-1")
        with pytest.raises(WorkbenchError, match="is not a saved session"):
            session_file.restore(session, path)
        with pytest.raises(WorkbenchError, match="is not a saved session"):
            session_file.save(session, path)
        assert path.read_text(encoding="latin-1") == content
    with pytest.raises(WorkbenchError, match="cannot be opened"):
        session_file.restore(session, tmp_path)
    with pytest.raises(WorkbenchError, match="cannot be written"):
        session_file.save(session, tmp_path / "nowhere" / "session.json")


def test_session_of_a_newer_version_is_rejected(new_session: Callable[..., Session], tmp_path: Path) -> None:
    session, path = new_session(), tmp_path / "session.json"
    session_file.save(session, path)
    path.write_text(path.read_text().replace(f'"version": {session_file.VERSION}', '"version": 99'))
    with pytest.raises(WorkbenchError, match="newer version"):
        session_file.restore(session, path)


def test_second_save_replaces_the_file_and_leaves_no_other(
    new_session: Callable[..., Session], tmp_path: Path
) -> None:
    session, path = new_session(), tmp_path / "session.json"
    session_file.save(session, path)
    session.pipeline = OTHER
    session_file.save(session, path)
    assert json.loads(path.read_text())["state"]["pipeline"] == OTHER
    assert [file.name for file in tmp_path.iterdir()] == ["session.json"]
    session.cancel()
