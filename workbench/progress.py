"""How long work reports where it is, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable

# Called with (what is being done, steps done, steps in all); it may raise Cancelled to stop the work.
Progress = Callable[[str, int, int], None]


class Cancelled(Exception):
    """Raised by a progress callback: the work stops there, and what is already stored stays."""


def silent(what: str, done: int, total: int) -> None:
    """A progress callback that says nothing."""
