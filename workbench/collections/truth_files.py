"""The files of a ground truth, and whether they have changed since they were read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from workbench.collections.image_formats import extensions


class TruthFile(NamedTuple):
    """A file, or a folder whose name is the label of its images, as it was when it was read.

    ``status`` has its times, size and inode, ``digest`` is a hash of a file's content or of the names of a
    folder's images; both are empty if it cannot be read.
    """

    path: Path
    status: tuple[int, ...]
    digest: str


def truth_files(paths: Iterable[Path]) -> tuple[TruthFile, ...]:
    """Record files and folders before they are read."""
    suffixes = lru_cache(extensions)  # which looks for packages
    return tuple(TruthFile(path, _status(path), _digest(path, suffixes)) for path in paths)


def change_note(files: Sequence[TruthFile]) -> str:
    """A sentence if a file's content differs from that which was read; else empty."""
    changed = [
        file.path.name
        for file in files
        if _status(file.path) != file.status and _digest(file.path) != file.digest
    ]
    if not changed:
        return ""
    names = ", ".join(repr(name) for name in changed[:3]) + (" …" if len(changed) > 3 else "")
    return (
        f"the ground truth ({names}) has changed since the collection was opened: "
        "these numbers are by the one that was read then; open the collection again"
    )


def _status(path: Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _digest(path: Path, image_suffixes: Callable[[], frozenset[str]] = extensions) -> str:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            suffixes = image_suffixes()
            names = sorted(name for name in os.listdir(path) if os.path.splitext(name)[1].lower() in suffixes)
            return hashlib.blake2b("/".join(names).encode(errors="surrogateescape")).hexdigest()
        if not stat.S_ISREG(mode):  # a pipe would wait for a writer
            return ""
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except (OSError, ValueError):
        return ""
