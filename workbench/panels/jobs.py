"""A worker thread in which the newest request wins; it reports progress and can be cancelled."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakSet

from workbench.common.memory import release_freed_memory
from workbench.common.progress import Cancelled, Progress
from workbench.config.errors import WorkbenchError, torch_mismatch

logger = logging.getLogger(__name__)
_PACE = 0.1  # seconds between two reports, so that progress does not load the browser
_SETTLED = 1.0  # seconds of work before its rate is used for the time left


@dataclass(frozen=True)
class Job:
    """The progress of work: steps done and total (0 of 0: not known), seconds left (None: not known)."""

    what: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None


@dataclass(eq=False)
class _Request:
    work: Callable[[Progress], None]
    due: float
    stopped: threading.Event = field(default_factory=threading.Event)


def readable(error: Exception) -> str:
    """An error as one sentence for the screen; the traceback is logged at level INFO."""
    if isinstance(error, WorkbenchError):
        return str(error)
    if "torchvision::" in str(error):
        return torch_mismatch(error)
    logger.info("unexpected error in a panel", exc_info=error)
    text = str(error).strip().split("\n")[0]
    return f"Something unexpected went wrong ({type(error).__name__}{': ' + text if text else ''})."


def _ignore(_: object) -> None:
    pass


_runners: WeakSet[JobRunner] = WeakSet()


@atexit.register
def _stop_all() -> None:
    """Stop all work at exit: a thread that computes during interpreter shutdown would abort the process."""
    runners = list(_runners)
    for runner in runners:
        runner.cancel()
    for runner in runners:
        runner.wait(5)


class JobRunner:
    """Runs one request at a time in a worker thread that exists only while there is work.

    ``report`` gets a Job during the work and None at its end; ``fail`` gets the sentence of an error. Both
    are called on the worker thread, or on the thread that cancels. ``lock`` is held meanwhile, so that no
    report follows a cancel: it is the lock that ``report`` and ``fail`` take and that a thread which cancels
    may hold, or else the two would wait for each other.
    """

    def __init__(
        self,
        report: Callable[[Job | None], None] = _ignore,
        fail: Callable[[str], None] = _ignore,
        lock: threading.RLock | None = None,
    ) -> None:
        self._report, self._fail = report, fail
        self._reporting = lock or threading.RLock()
        self._changed = threading.Condition()  # guards the three attributes below
        self._next: _Request | None = None
        self._current: _Request | None = None
        self._thread: threading.Thread | None = None
        _runners.add(self)

    def submit(self, work: Callable[[Progress], None], delay: float = 0.0) -> None:
        """Run ``work`` after ``delay`` seconds unless a newer request follows; stop the running work."""
        with self._changed:
            if self._current is not None:
                self._current.stopped.set()
            self._next = _Request(work, time.monotonic() + delay)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="workbench-job", daemon=True)
                self._thread.start()

    def cancel(self) -> bool:
        """Stop running and waiting work; True if there was any. The end is reported at once."""
        with self._reporting:
            with self._changed:
                active = self._next is not None or (
                    self._current is not None and not self._current.stopped.is_set()
                )
                if self._current is not None:
                    self._current.stopped.set()
                self._next = None
                self._changed.notify_all()
            if active:
                self._report(None)
        return active

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until there is no work; False if that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, seconds)

    def _loop(self) -> None:
        while True:
            with self._changed:
                while self._next is not None and (rest := self._next.due - time.monotonic()) > 0:
                    self._changed.wait(rest)
                self._current, self._next = self._next, None
                if self._current is None:
                    self._thread = None
                    self._changed.notify_all()
                    break
                request = self._current
            self._run(request)
        release_freed_memory()  # of the maps and regions of a job, when no other follows at once

    def _run(self, request: _Request) -> None:
        def report(job: Job | None) -> None:
            with self._reporting:
                if request.stopped.is_set():
                    raise Cancelled
                self._report(job)

        phase, began, first, reported = "", 0.0, 0, 0.0  # ``began`` 0: this phase has no progress yet

        def progress(what: str, done: int, total: int) -> None:
            nonlocal phase, began, first, reported
            if request.stopped.is_set():
                raise Cancelled
            now = time.monotonic()
            if what != phase:
                phase, began, first, reported = what, 0.0, done, 0.0
            elif not began and done > first:
                began, first = now, done  # the time before was for reading weights and the like
            if now - reported < _PACE and done < total:
                return
            reported = now
            settled = began and now - began > _SETTLED and done > first
            left = (now - began) / (done - first) * (total - done) if settled else None
            report(Job(what, done, total, left))

        try:
            report(Job("Starting"))
            request.work(progress)
            report(None)
        except Cancelled:
            pass
        except Exception as error:  # the error boundary: every error is reported, none ends the worker
            with self._reporting:
                if not request.stopped.is_set():
                    self._report(None)
                    self._fail(readable(error))
