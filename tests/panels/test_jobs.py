"""The job runner of the panels: the newest request replaces earlier ones, and jobs can be stopped."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace

import pytest

from workbench.common.progress import Cancelled, Progress
from workbench.config.errors import WorkbenchError
from workbench.panels import jobs
from workbench.panels.formatting import time_left
from workbench.panels.jobs import Job, JobRunner
from workbench.panels.messages import job_lines


def until_stopped(progress: Progress) -> None:
    while True:
        progress("working", 1, 2)


def test_newest_request_stops_the_running_one() -> None:
    runner, began, events = JobRunner(), threading.Event(), []

    def old(progress: Progress) -> None:
        began.set()
        try:
            until_stopped(progress)
        except Cancelled:
            events.append("old was stopped")
            raise

    runner.submit(old)
    assert began.wait(30)
    runner.submit(lambda progress: events.append("new"))
    assert runner.wait(30)
    assert events == ["old was stopped", "new"]


def test_only_the_last_of_quick_requests_runs() -> None:
    runner, events = JobRunner(), []
    for number in range(9):
        runner.submit(partial(lambda number, _: events.append(number), number), delay=0.3)
    assert runner.wait(30)
    assert events == [8]


def test_cancel_is_reported_at_once_and_ends_the_reports() -> None:
    reports: list[Job | None] = []
    began, go_on = threading.Event(), threading.Event()
    runner = JobRunner(report=reports.append)

    def deaf(progress: Progress) -> None:
        began.set()
        assert go_on.wait(30)  # within a batch, a job does not notice that it is stopped
        progress("working", 1, 2)

    runner.submit(deaf)
    assert began.wait(30)
    assert runner.cancel()
    assert reports[-1] is None
    count = len(reports)
    assert not runner.cancel()
    go_on.set()
    assert runner.wait(30)
    assert len(reports) == count
    runner.submit(lambda progress: progress("again", 2, 2))
    assert runner.wait(30)
    assert reports[count:] == [Job("Starting"), Job("again", 2, 2), None]


def test_cancel_removes_a_waiting_request() -> None:
    runner, events = JobRunner(), []
    runner.submit(lambda _: events.append("ran"), delay=60)
    assert runner.cancel()
    assert runner.wait(30)
    assert events == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WorkbenchError("pooling 'x' is not known"), "pooling 'x' is not known"),
        (KeyError("layer9"), "Something unexpected went wrong (KeyError: 'layer9')."),
        (MemoryError(), "Something unexpected went wrong (MemoryError)."),
        (RuntimeError("first\nsecond"), "Something unexpected went wrong (RuntimeError: first)."),
    ],
)
def test_error_is_reported_and_the_runner_continues(error: Exception, sentence: str) -> None:
    errors: list[str] = []
    reports: list[Job | None] = []
    runner = JobRunner(report=reports.append, fail=errors.append)

    def broken(_: Progress) -> None:
        raise error

    runner.submit(broken)
    assert runner.wait(30)
    assert (errors, reports[-1]) == ([sentence], None)
    events = []
    runner.submit(lambda _: events.append("ran"))
    assert runner.wait(30)
    assert events == ["ran"]


def test_time_left_is_based_on_the_rate_since_work_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    reports: list[Job | None] = []
    runner = JobRunner(report=reports.append)

    def resumed(progress: Progress) -> None:
        progress("extracting", 400, 600)
        clock.now += 30  # time to read the weights and for a first batch
        progress("extracting", 420, 600)
        clock.now += 10
        progress("extracting", 520, 600)  # 100 in 10 s, 80 remain

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
def test_time_left_is_rounded_to_a_readable_text(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_job_without_a_total_has_no_fraction() -> None:
    assert job_lines(Job("waiting"))[1]["fraction"] is None
    assert job_lines(Job("extracting", 30, 40, 8))[0]["text"] == "extracting · 30 of 40 · 8 s left"
    assert job_lines(Job("extracting", 30, 40, 8))[1]["fraction"] == 0.75
