"""Atomic writes: a file appears whole or not at all, and a failed write keeps the old file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from workbench.config.errors import WorkbenchError

try:
    import fcntl
except ImportError:  # Windows: parts of killed processes stay
    fcntl = None  # type: ignore[assignment]

_UNIQUE_PART = re.compile(r"\..*\.[0-9a-f]{8}\.part", re.DOTALL)
_swept: set[tuple[Path, re.Pattern[str]]] = set()

Stamp = tuple[int, int, int, int]  # size in bytes, time of modification and of change (ns), inode
SETTLED = 2 * 10**9  # ns after a change in which a clock of coarse steps may hide another one


def stamp(status: os.stat_result) -> Stamp:
    """What changes with a file: two files that are exchanged differ in inode or time of change.

    Programs that copy files may set the size and the time of modification, but not these two.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def is_settled(changed: Stamp) -> bool:
    """Whether a file changed long enough ago for its stamp to tell a change after now."""
    return max(changed[1:3]) + SETTLED < time.time_ns()


@contextlib.contextmanager
def replacing(path: Path, unique: bool = True, private: bool = False) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it replaces ``path`` in one step when the block ends.

    After an error the part is deleted and ``path`` stays as it was. The part of a killed process is deleted
    by the next process that writes to the folder. With a ``unique`` name of the part, several processes may
    write the same file. Under a lock a fixed name is possible: the next write overwrites the part of a
    killed process. ``private``: only the owner may read the file. Raises OSError, also if ``path`` is a
    folder, pipe, socket or device, which no file may replace.
    """
    name = f".{path.name}.{uuid.uuid4().hex[:8]}.part" if unique else f"{path.name}.part"
    part = path.with_name(name)
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "pipe, socket or device"
        raise OSError(errno.EINVAL, f"it is a {kind}, not a file")
    _sweep(path.parent, _UNIQUE_PART)
    lock = _locked(part, 0o600 if private else 0o666)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        os.close(lock)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file of the cache atomically and flush it to the disk, creating its folder.

    Raises WorkbenchError where the disk is full or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent, re.compile(rf".*{re.escape(path.suffix)}\.part"))
        with replacing(path, unique=False) as part, part.open("wb") as file:
            _write(file, content)
    except OSError as error:
        raise disk_error(path, error) from None


def write_output(path: Path, content: str | bytes, kind: str, errors: str = "replace") -> None:
    """Write a file for the user atomically, text as UTF-8; ``kind`` names it in the message, as in "report".

    The target of a link is written. Raises WorkbenchError if the file cannot be written.
    """
    try:
        path = Path(os.path.realpath(path))
        with replacing(path) as part, part.open("wb") as file:
            _write(file, content.encode("utf-8", errors) if isinstance(content, str) else content)
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        reason = getattr(error, "strerror", None) or error
        raise WorkbenchError(
            f"{kind} {str(path)!r} cannot be written: {reason}; choose another folder"
        ) from None


def _write(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())  # a full disk may be reported only here


def _locked(part: Path, mode: int) -> int:
    """Create a part with a lock on it, which ends with the process; returns its descriptor."""
    while True:
        descriptor = os.open(part, os.O_CREAT | os.O_RDWR, mode)
        if fcntl is None:
            return descriptor
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), part.stat()):
                return descriptor  # else another process has moved or swept it before it was locked
        os.close(descriptor)


def _sweep(folder: Path, names: re.Pattern[str]) -> None:
    """Delete the parts of killed processes in a folder, those without a lock; once in each process."""
    if (folder, names) in _swept or fcntl is None:
        return
    _swept.add((folder, names))
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if names.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError), open(entry.path, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its writer lives
                    os.unlink(entry.path)


def disk_error(path: Path, error: OSError) -> WorkbenchError:
    """The error for a file that could not be written."""
    return WorkbenchError(
        f"{str(path)!r} cannot be written ({error.strerror or error}): free some space, or choose another "
        "folder with --cache; the file written before is kept, and the same call resumes from it"
    )
