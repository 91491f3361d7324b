"""Wait for the lock of another process, which shows as progress and can be cancelled."""

from __future__ import annotations

from filelock import FileLock, Timeout

from workbench.common.progress import Progress


def acquire(lock: FileLock, progress: Progress, work: str = "extracts the same images") -> None:
    """Wait for a lock of a process that does some ``work``; ``progress`` may raise Cancelled meanwhile."""
    while True:
        try:
            lock.acquire(timeout=0.2)
            return
        except Timeout:
            progress(f"waiting for another process that {work}", 0, 0)
