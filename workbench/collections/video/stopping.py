"""End the decoding of a thread within a frame when its work is cancelled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
_PACE = 0.1  # seconds between two reports


class Stopped(BaseException):
    """The work was cancelled. No Exception, because readers take those for damaged files."""


class _Thread(threading.local):
    stop: threading.Event | None = None


_thread = _Thread()


def stop_on(event: threading.Event) -> None:
    """Raise Stopped at the next frame that this thread decodes once the event is set."""
    _thread.stop = event


def check_stop() -> None:
    """Raise Stopped if the work of this thread is cancelled."""
    if _thread.stop is not None and _thread.stop.is_set():
        raise Stopped


def for_each(
    work: Callable[[str], Result], videos: Iterable[str], report: Callable[[int], None]
) -> dict[str, Result]:
    """The results of work on videos, in several threads.

    ``report`` is called in this thread with the number of finished videos, ten times a second. If it raises,
    the work stops within a frame.
    """
    stop, finished = threading.Event(), threading.Semaphore(0)
    pool = ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1)), initializer=stop_on, initargs=(stop,))
    try:
        futures = {video: pool.submit(work, video) for video in videos}
        for future in futures.values():
            future.add_done_callback(lambda _: finished.release())
        done, reported = 0, time.monotonic()
        while done < len(futures):
            done += finished.acquire(timeout=_PACE)
            if time.monotonic() - reported >= _PACE or done == len(futures):
                report(done)
                reported = time.monotonic()
        return {video: future.result() for video, future in futures.items()}
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
