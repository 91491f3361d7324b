"""The base class of panels: requests, stale results, folding, errors and replaced requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets as W
import pytest

from workbench.collections.collection import Collection
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError
from workbench.panels.base import Panel
from workbench.panels.layout import ENTRIES, PANELS, open_panel
from workbench.panels.session import Session


class Squares(Panel[int, int]):
    """Show the square of ``wanted``; a negative number is an error."""

    lane, phase, delay = "squares", "Squaring", 0.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.widget = W.VBox()
        self.wanted: int | None = None
        self.computed: list[int] = []
        self.shown: list[int] = []
        self.stale: list[bool] = []
        self.text = ""
        self.go_on = threading.Event()
        self.go_on.set()

    def request(self) -> int | None:
        return self.wanted

    def compute(self, request: int, progress: Progress) -> int:
        self.computed.append(request)
        assert self.go_on.wait(30)
        if request < 0:
            raise WorkbenchError(f"{request} is negative")
        return request**2

    def render(self, result: int) -> None:
        self.shown.append(result)

    def render_nothing(self) -> None:
        self.text = "nothing"

    def dim(self, stale: bool) -> None:
        self.stale.append(stale)

    def show(self, wanted: int | None) -> None:
        self.wanted = wanted
        self.refresh()


class InStages(Squares):
    """Show 0 and then the square; a negative number fails between the two stages."""

    def stages(self, request: int, progress: Progress) -> Iterator[int]:
        yield 0
        yield self.compute(request, progress)


@pytest.fixture
def session() -> Session:
    collection = Collection("one", Path("one"), ("a.jpg",))
    return Session(SimpleNamespace(collection=collection, default_pipeline="x/max/whole"))  # type: ignore[arg-type]


def settle(panel: Squares) -> None:
    assert panel.session.wait(30)


def test_result_is_computed_once_and_dimmed_until_it_is_shown(session: Session) -> None:
    panel = Squares(session)
    panel.show(3)
    settle(panel)
    assert (panel.shown, panel.rendered, panel.stale[-1]) == ([9], 3, False)
    assert panel.stale[0]
    panel.show(3)
    settle(panel)
    assert panel.computed == [3]  # the request is equal to the previous one
    panel.forget()
    panel.show(3)
    settle(panel)
    assert panel.computed == [3, 3]


def test_only_the_newest_request_is_shown(session: Session) -> None:
    panel = Squares(session)
    panel.go_on.clear()
    panel.show(2)
    while not panel.computed:
        threading.Event().wait(0.01)
    panel.show(5)  # 2 is computed but must not be shown
    panel.go_on.set()
    settle(panel)
    assert (panel.computed, panel.shown, panel.rendered) == ([2, 5], [25], 5)


def test_expired_result_is_dimmed_until_it_is_confirmed(session: Session) -> None:
    panel = Squares(session)
    panel.expire()
    assert panel.stale == []  # no result is shown yet
    panel.show(3)
    settle(panel)
    panel.expire()
    assert panel.stale[-1]
    panel.refresh()
    settle(panel)
    assert not panel.stale[-1] and panel.computed == [3]


def test_missing_request_stops_the_job_and_shows_a_hint(session: Session) -> None:
    panel = Squares(session)
    panel.go_on.clear()
    panel.show(2)
    panel.show(None)
    panel.go_on.set()
    settle(panel)
    assert (panel.text, panel.shown) == ("nothing", [])


def test_folded_panel_computes_nothing_until_it_is_unfolded(session: Session) -> None:
    panel = Squares(session)
    panel.watch_folding()
    panel.widget.layout.display = "none"
    panel.show(4)
    settle(panel)
    assert panel.computed == []
    panel.widget.layout.display = None
    settle(panel)
    assert panel.shown == [16]


def test_error_becomes_a_message_and_the_next_request_is_computed(session: Session) -> None:
    panel = Squares(session)
    panel.show(-1)
    settle(panel)
    assert session.failed and session.message == "-1 is negative"
    panel.show(2)
    settle(panel)
    assert panel.shown == [4] and not session.failed


def test_error_can_be_shown_in_the_panel(session: Session) -> None:
    class InPanel(Squares):
        def render_error(self, error: WorkbenchError) -> None:
            self.text = str(error)

    panel = InPanel(session)
    panel.show(-1)
    settle(panel)
    assert panel.text == "-1 is negative" and not session.failed


def test_earlier_request_is_recomputed_after_an_error_between_stages(session: Session) -> None:
    panel = InStages(session)
    panel.show(3)
    settle(panel)
    panel.show(-1)
    settle(panel)
    assert panel.shown == [0, 9, 0] and panel.rendered is None
    panel.show(3)
    settle(panel)
    assert panel.shown == [0, 9, 0, 0, 9]


def test_layout_has_a_function_for_each_panel(session: Session) -> None:
    from workbench.panels import layout

    assert {"show", "query_panel", *ENTRIES} == set(PANELS)
    for name, panel in PANELS.items():
        assert panel.__doc__
        function: Any = getattr(layout, name)
        assert (function.func, function.args) == (open_panel, (name,))
    with pytest.raises(AttributeError, match="no_panel"):
        _ = layout.no_panel


def test_work_is_cancelled_by_a_thread_that_holds_the_session_while_it_reports(session: Session) -> None:
    def cancel() -> None:
        with session.lock:
            session.run("test", lambda progress: progress("working", 1, 2))
            time.sleep(0.2)  # its first report waits for the session
            session.lane("test").cancel()

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert session.wait(20)
