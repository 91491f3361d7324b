"""Work that cannot report its progress can still be cancelled."""

from __future__ import annotations

import threading

import pytest

from workbench.common.progress import Cancelled, interruptible, silent


def test_cancelling_does_not_wait_for_work_that_reports_nothing() -> None:
    endless, calls = threading.Event(), list[tuple[str, int, int]]()

    def progress(*report: object) -> None:
        calls.append(report)  # type: ignore[arg-type]
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        interruptible(endless.wait, progress, "fitting")
    assert not endless.is_set() and calls == [("fitting", 0, 0)] * 3
    endless.set()


def test_result_and_error_of_the_work_are_passed_on() -> None:
    assert interruptible(lambda: 3, lambda *_: None, "adding") == interruptible(lambda: 3, silent, "") == 3
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, lambda *_: None, "dividing")
