"""Locks by name: threads that do the same work wait for each other, threads that do other work do not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from workbench.common.progress import Progress

_POLL_SECONDS = 0.1  # between two checks whether the work was cancelled


class NamedLocks:
    """A lock for each name, made at first use."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # protects the dict; held briefly
        self._locks: dict[str, threading.Lock] = {}

    @contextlib.contextmanager
    def __call__(self, name: str, progress: Progress) -> Iterator[None]:
        """Hold the lock of that name. Waiting for it reports progress, so that it can be cancelled."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        while not lock.acquire(timeout=_POLL_SECONDS):
            progress("waiting for another panel that computes the same", 0, 0)
        try:
            yield
        finally:
            lock.release()
