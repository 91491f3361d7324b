"""Progress of long work: a callback that reports it and may cancel it."""

from __future__ import annotations

from collections.abc import Callable

# Called with (task, steps done, total steps; 0 where unknown); it may raise Cancelled to stop the work.
Progress = Callable[[str, int, int], None]


class Cancelled(Exception):
    """Raised by a progress callback to stop the work; results stored so far are kept."""


def silent(task: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""
