"""Atomic writes: a file appears whole or not at all, and a failed write keeps the old file."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from workbench.config.errors import WorkbenchError


@contextlib.contextmanager
def replacing(path: Path, unique: bool = True, private: bool = False) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it replaces ``path`` in one step when the block ends.

    After an error the part is deleted and ``path`` stays as it was. With a ``unique`` name of the part,
    several processes may write the same file. Under a lock a fixed name is better: the next write overwrites
    the part of a killed process. ``private``: only the owner may read the file. Raises OSError, also if
    ``path`` is a pipe, socket or device, which no file may replace.
    """
    name = f".{path.name}.{uuid.uuid4().hex[:8]}.part" if unique else f"{path.name}.part"
    part = path.with_name(name)
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "pipe, socket or device"
        raise OSError(errno.EINVAL, f"it is a {kind}, not a file")
    try:
        if private:
            part.touch(mode=0o600)
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically and flush it to the disk, creating its folder.

    Raises WorkbenchError where the disk is full or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, unique=False) as part, part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # a full disk may be reported only here
    except OSError as error:
        raise disk_error(path, error) from None


def disk_error(path: Path, error: OSError) -> WorkbenchError:
    """The error for a file that could not be written."""
    return WorkbenchError(
        f"{str(path)!r} cannot be written ({error.strerror or error}): free some space, or choose another "
        "folder with --cache; the file written before is kept, and the same call resumes from it"
    )
