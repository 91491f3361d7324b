"""The running work of a session: lanes with one worker each, and the message that is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import traitlets as T

from workbench.common.progress import Progress
from workbench.panels.jobs import Job, JobRunner, readable

RANKING = "ranking"  # the lane of search and evaluation


class Lanes(T.HasTraits):
    """Work runs in lanes, so that a slow job does not delay other panels: see ``run``."""

    jobs = T.Dict()  # lane → Job that runs now
    message = T.Unicode()
    failed = T.Bool(False)

    def __init__(self, **traits: Any) -> None:
        self._lanes: dict[str, JobRunner] = {}
        self._message_lane = ""  # the lane whose message is shown
        self._lock = threading.RLock()
        super().__init__(**traits)

    @property
    def lock(self) -> threading.RLock:
        """Lock for reading and writing a trait that several threads change; held only briefly."""
        return self._lock

    def run(self, lane: str, work: Callable[[Progress], None], delay: float = 0.0) -> None:
        """Run ``work`` in the worker of a lane after ``delay`` seconds; the lane's newest request wins.

        ``jobs`` shows its progress, ``message`` its error. It may set any trait.
        """

        def started(progress: Progress) -> None:
            self._clear_message(lane)
            work(progress)

        self.lane(lane).submit(started, delay)

    def lane(self, name: str) -> JobRunner:
        """The worker of a lane."""
        with self._lock:
            if name not in self._lanes:
                self._lanes[name] = JobRunner(
                    partial(self._report, name), partial(self.fail, lane=name), self._lock
                )
            return self._lanes[name]

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until no lane has work; False if that took longer. Work may start work in other lanes."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                lanes = list(self._lanes.values())
            if all(lane.wait(0) for lane in lanes):
                return True
            if not all(lane.wait(max(0.0, end - time.monotonic())) for lane in lanes):
                return False

    def cancel(self, lane: str = "") -> None:
        """Stop the work in one lane, or in all; features that are extracted stay stored."""
        with self._lock:
            lanes = {lane: self.lane(lane)} if lane else dict(self._lanes)
        active = [runner.cancel() for runner in lanes.values()]  # a list: any() would stop at the first
        if any(active):
            self.tell("Cancelled. Finished work is kept, and a new run continues from there.")

    def tell(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._message_lane, self.failed, self.message = lane, False, message

    def fail(self, message: str, lane: str = RANKING) -> None:
        with self._lock:
            self._message_lane, self.failed, self.message = lane, True, message

    def guard(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """Wrap a widget callback so that its exceptions are shown as messages."""

        @wraps(handler)
        def guarded(change: Any) -> None:
            try:
                handler(change)
            except Exception as error:
                self.fail(readable(error))

        return guarded

    def _clear_message(self, lane: str) -> None:
        """Remove the message of that lane; a message of another lane stays."""
        with self._lock:
            if self._message_lane == lane:
                self.failed, self.message = False, ""

    def _report(self, lane: str, job: Job | None) -> None:
        with self._lock:
            others = {name: other for name, other in self.jobs.items() if name != lane}
            self.jobs = {**others, lane: job} if job else others
