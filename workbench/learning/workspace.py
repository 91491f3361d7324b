"""A training's name, and its folder, which one process writes at a time."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.config import WorkbenchError
from workbench.writing import full


@contextlib.contextmanager
def alone(work: Path, name: str) -> Iterator[None]:
    """The folder of a training, to one process at a time. Raises WorkbenchError where another has it."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise WorkbenchError(
            f"{name!r} is being trained by another process; wait for its end, or choose another name"
        ) from None
    except OSError as error:
        raise full(work, error) from None
    try:
        yield
    finally:
        lock.release()


def require_name(name: str) -> None:
    """Raises WorkbenchError where a name cannot be that of a training."""
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise WorkbenchError(f"name {name!r}: write it with small letters, digits, - and _ only")
