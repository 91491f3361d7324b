"""Progress of long work: a callback that reports it and may cancel it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
_PACE = 0.1  # seconds between two reports about work that reports nothing itself

# Called with (task, steps done, total steps; 0 where unknown); it may raise Cancelled to stop the work.
Progress = Callable[[str, int, int], None]


class Cancelled(Exception):
    """Raised by a progress callback to stop the work; results stored so far are kept."""


def silent(task: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""


def interruptible(work: Callable[[], Result], progress: Progress, task: str) -> Result:
    """Do work that cannot report its progress, such as a decomposition of a matrix, in a thread of its own.

    ``progress`` is called ten times a second meanwhile; if it raises, the thread goes on to its end and its
    result is dropped.
    """
    if progress is silent:
        return work()
    thread = ThreadPoolExecutor(1)
    try:
        result = thread.submit(work)
        progress(task, 0, 0)
        while not wait([result], _PACE).done:
            progress(task, 0, 0)
        return result.result()
    finally:
        thread.shutdown(wait=False)
