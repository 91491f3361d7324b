"""Widget messages that arrive on different threads, as JupyterLab delivers them over subshells.

The messages take the path of messages from the page: through the comm of a widget, which is found by its
label.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import ipywidgets as W
import pandas as pd
import pytest

import workbench
from tests.support.pictures import folder_of
from workbench.bench.bench import Bench
from workbench.panels import Session, layout

BACKBONE = "timm:test_resnet@random"
PIPELINE = f"{BACKBONE}/max/whole"
PANELS = ("query_panel", "attention_panel", "explanation_panel", "compare_panel", "history_panel")
Message = Callable[[], None]


class Screen:
    """Panels linked by one session, which receive messages as from a page."""

    def __init__(self, bench: Bench) -> None:
        self.session = Session(bench, pipeline=PIPELINE)
        self.panels = W.VBox([getattr(layout, panel)(bench, self.session) for panel in PANELS])

    def widget(self, kind: str, label: str) -> Any:
        """Return the first widget of this class and label."""
        return next(
            widget
            for widget in descendants(self.panels)
            if type(widget).__name__ == kind
            and label in (getattr(widget, "description", None), getattr(widget, "label", None))
        )

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a select by its text or its value."""
        select = self.widget("Dropdown", label)
        options = [item if isinstance(item, tuple) else (item, item) for item in select.options]
        index = next(number for number, item in enumerate(options) if option in item)
        send(select, method="update", state={"index": index}, buffer_paths=[])

    def name(self, label: str, option: str) -> None:
        """Choose a name, or another option, of a field of names."""
        field = self.widget("NameField", label)
        value = next(value for text, value in field.options if option in (text, value))
        send(field, method="custom", content={"choose": value})

    def write(self, label: str, text: str) -> None:
        """Write into a text field."""
        send(self.widget("Text", label), method="update", state={"value": text}, buffer_paths=[])

    def click(self, label: str) -> None:
        """Click on a button."""
        try:
            button = self.widget("FieldButton", label)
        except StopIteration:
            send(self.widget("Button", label), method="custom", content={"event": "click"})
        else:
            written = [[n, f.value] for n, f in enumerate(button.fields) if isinstance(f, W.Text)]
            send(button, method="custom", content={"click": written})

    def pick(self, label: str, pipeline: str) -> None:
        """Click on the row of a pipeline in a table."""
        table = self.widget("Table", label)
        row = next(row for row in table.rows if row["cells"]["pipeline"] == pipeline)
        send(table, method="custom", content={"pick": row["id"]})

    def judge(self, number: int, sign: int) -> None:
        """Judge a result as good (1) or bad (-1)."""
        image_id = self.session.ranking["image_id"][number]
        grid = self.widget("Scroll", "Ranked images")
        send(grid, method="custom", content={"judge": image_id, "sign": sign})

    def settle(self) -> None:
        """Wait until no job runs, and assert that no job has failed."""
        assert self.session.wait(120)
        assert not self.session.failed, self.session.message


def descendants(widget: W.Widget) -> Iterator[W.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from descendants(child)


def send(widget: W.Widget, **data: Any) -> None:
    assert widget.comm is not None
    widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bench:
    folder = folder_of(tmp_path_factory.mktemp("photos"), 12, kinds=3)
    return workbench.open(folder, labels="folders", cache=cache, size=64)


@pytest.fixture
def screens(bench: Bench) -> Iterator[Callable[[], Screen]]:
    """Return a function that opens a screen on the bench; jobs are stopped after the test."""
    opened: list[Screen] = []

    def open_screen() -> Screen:
        opened.append(Screen(bench))
        opened[-1].settle()
        return opened[-1]

    yield open_screen
    for screen in opened:
        screen.session.cancel()
        screen.session.prefetcher.runner.cancel()
        assert screen.session.wait(120)
        assert screen.session.prefetcher.runner.wait(120)


def messages(screen: Screen) -> list[Message]:
    """Return two rounds of messages to all panels, in the order of a user's work."""
    first, second = list(screen.session.queries)[5], list(screen.session.queries)[9]
    return [
        lambda: screen.name("Query", first),
        lambda: screen.choose("Pooling", "mean"),
        lambda: screen.click("Add to comparison"),
        lambda: screen.judge(3, 1),
        lambda: screen.choose("Heat", "norm"),
        lambda: screen.write("Name", "mine"),
        lambda: screen.click("Save"),
        lambda: screen.pick("Runs", f"{BACKBONE}/mean/whole"),
        lambda: screen.name("Query", second),
        lambda: screen.choose("Pooling", "gem:3"),
        lambda: screen.click("Add to comparison"),
        lambda: screen.judge(5, 1),
        lambda: screen.judge(4, -1),
        lambda: screen.name("Image", "the chosen result"),
        lambda: screen.click("Undo"),
        lambda: screen.pick("Runs", f"{BACKBONE}/gem:3/whole"),
        lambda: screen.click("Reopen both"),
        lambda: screen.write("Session file", "threads"),
        lambda: screen.click("Save session"),
    ]


def state(session: Session) -> dict[str, Any]:
    return {
        "question": session.question,
        "ranked": session.ranked,
        "feedback": session.feedback,
        "evaluation": session.evaluation.mean_ap,
        "compared": (session.compared, session.a, session.b),
        "evaluations": {name: evaluation.mean_ap for name, evaluation in session.evaluations.items()},
    }


def test_messages_on_new_threads_have_the_same_effect_as_on_one_thread(
    screens: Callable[[], Screen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main, threaded = screens(), screens()
    for message in messages(main):
        message()
        main.settle()
    saved = (tmp_path / "threads.json").read_text()
    for message in messages(threaded):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(message).result(60)
        threaded.settle()
    assert state(threaded.session) == state(main.session)
    pd.testing.assert_frame_equal(threaded.session.ranking, main.session.ranking)
    assert (tmp_path / "threads.json").read_text() == saved


def test_concurrent_messages_of_two_threads_end_in_their_last_values(
    screens: Callable[[], Screen], bench: Bench
) -> None:
    """Messages of selects arrive on a subshell and those of buttons on the main thread, as in JupyterLab."""
    screen = screens()
    session, names = screen.session, list(screen.session.queries)
    start = threading.Barrier(2)

    def choose() -> None:
        start.wait(30)
        for number, pooling in zip(range(12), cycle(("mean", "gem:3", "max")), strict=False):
            screen.choose("Pooling", pooling)
            screen.name("Query", names[number])

    def click() -> None:
        start.wait(30)
        for number in range(12):
            screen.click("Add to comparison")
            screen.write("Name", f"number {number}")
            screen.click("Save")

    with ThreadPoolExecutor(2) as threads:
        for future in [threads.submit(choose), threads.submit(click)]:
            future.result(120)
    screen.settle()
    assert (session.pipeline, session.query) == (PIPELINE, names[11])
    assert session.ranked == session.question
    pd.testing.assert_frame_equal(session.ranking, bench.search(names[11], pipeline=PIPELINE, k=None))
    assert session.evaluation.mean_ap == bench.evaluate(PIPELINE).mean_ap
    assert set(session.evaluations) == set(session.compared) >= {session.compared[0]}
    assert {f"number {number}" for number in range(12)} <= set(screen.widget("Dropdown", "Favourite").options)
