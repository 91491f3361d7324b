"""Code that runs in the kernel of the shared notebook: open benches, show panels, close them again.

All names of ``workbench.panels`` that the browser tests need are imported here and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as W

import workbench
from workbench.bench.bench import Bench
from workbench.common.progress import Cancelled
from workbench.learning.finetuning.train import finetune
from workbench.panels import Session, layout
from workbench.panels.session import session_of
from workbench.panels.widgets.name_field import NameField

_benches: dict[str, Bench] = {}
_sessions: list[Session] = []
_shown: list[W.Widget] = []
_threads: set[str] = set()  # names of the threads on which messages of widgets were handled


def open_bench(folder: str, cache: str, labels: str = "folders", **options: Any) -> Bench:
    """Open a collection, or return the bench that was opened before with the same arguments."""
    key = repr((folder, cache, labels, sorted(options.items())))
    if key not in _benches:
        _benches[key] = workbench.open(folder, labels=labels, cache=cache, **options)
    return _benches[key]


def show(bench: Bench, *panels: str, **state: Any) -> W.Widget:
    """Show panels, linked by one new session; ``state`` are the session's first traits."""
    _record_threads()
    session = Session(bench, **state)
    _sessions.append(session)
    shown = [getattr(layout, panel)(bench, session) for panel in panels]
    _shown.extend(shown)
    return shown[0] if len(shown) == 1 else W.VBox(shown)


def follow(bench: Bench) -> None:
    """Let ``close`` stop the session of a bench whose panels were shown by the bench's own methods."""
    _record_threads()
    _sessions.append(session_of(bench))


def search_names(label: str) -> None:
    """Let a field of names search, as it does in a collection of many images."""
    field = next(w for part in _shown for w in _fields(part) if w.description == label)
    field.options = [option for option in field.options if option[1] not in field._search]
    field.total, field.searched = len(field._search), True


def _fields(widget: W.Widget) -> Iterator[NameField]:
    if isinstance(widget, NameField):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from _fields(child)


def change_often(times: int) -> None:
    """Change the pipeline and the query of the shown panels ``times`` times, waiting after each change."""
    session = _sessions[-1]
    names = list(session.queries)
    for number in range(times):
        session.pipeline = f"efficientnet_lite0/{('max', 'mean', 'crow')[number % 3]}/whole"
        session.choose(names[number * 7 % len(names)])
        session.wait()
        threading.Event().wait(0.2)  # time for the page to draw


def train_until_epoch(bench: Bench, name: str, last: int) -> None:
    """Fine-tune a tiny network and stop after epoch ``last``, as if a user had pressed Cancel."""
    from tests.support.finetuning import NETWORK, SETTINGS

    def stop(epoch: Any) -> None:
        if epoch.number == last:
            raise Cancelled

    try:
        finetune(bench.collection, bench.options, name, NETWORK, SETTINGS, report=stop)
    except Cancelled:
        return
    raise AssertionError(f"the training ended before epoch {last}")


def settle() -> None:
    """Wait until no job of the shown panels runs, and no grid of theirs loads pictures."""
    for session in _sessions:
        assert session.wait(60), "a job goes on"
    for panel in _shown:
        for widget in _descendants(panel):
            if hasattr(widget, "runner"):
                assert widget.runner.wait(60), "a grid goes on loading pictures"


def close() -> list[str]:
    """Stop the jobs, close all widgets and return the threads on which their messages were handled."""
    for session in _sessions:
        session.cancel()
        if session.prefetcher is not None:
            session.prefetcher.runner.cancel()
    for session in _sessions:
        assert session.wait(60), "a job runs after Cancel"
    W.Widget.close_all()
    threads = sorted(_threads)
    _sessions.clear()
    _shown.clear()
    _threads.clear()
    return threads


def _descendants(widget: W.Widget) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _descendants(child)


def _record_threads() -> None:
    """Record on which threads the kernel handles messages of widgets from now on."""
    from ipykernel.ipkernel import IPythonKernel

    handlers = IPythonKernel.instance().shell_handlers
    handle: Callable[..., Any] = handlers["comm_msg"]
    if getattr(handle, "records", False):
        return

    def recorded(*arguments: Any) -> Any:
        _threads.add(threading.current_thread().name)
        return handle(*arguments)

    recorded.records = True  # type: ignore[attr-defined]
    handlers["comm_msg"] = recorded
