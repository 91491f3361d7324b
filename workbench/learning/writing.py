"""Files that are there whole or not at all, and a folder that one process writes at a time."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.config import WorkbenchError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises WorkbenchError where the disk does not take it."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # a full disk may tell only now
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise full(path, error) from None


def full(path: Path, error: OSError) -> WorkbenchError:
    """What to say where a disk does not take a file."""
    return WorkbenchError(
        f"{str(path)!r} cannot be written ({error.strerror or error}): free some space, or choose another "
        "place with --cache; what was there before is kept, and the same call goes on from it"
    )


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
