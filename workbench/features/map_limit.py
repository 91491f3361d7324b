"""The limit of stored maps: files that were used least recently are deleted (the option ``maps``)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from workbench.features import packs

_USED = ".used"  # a file of a store, whose time is that of the last use


def note_use(folder: Path) -> None:
    """Remember that a store was used now."""
    with contextlib.suppress(OSError):
        (folder / _USED).touch()


def delete_oldest(stores: Path, most: int) -> None:
    """Delete stored maps down to ``most`` bytes: first of the stores that were used least recently.

    What is deleted is extracted again when it is needed.
    """
    files = []
    for folder in [entry for entry in os.scandir(stores) if entry.is_dir()] if stores.is_dir() else []:
        entries = list(os.scandir(folder.path))
        used = max((entry.stat().st_mtime_ns for entry in entries if entry.name == _USED), default=0)
        for entry in entries:
            if entry.name.endswith((".safetensors", packs.ENDING)):
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    files.append((used, status.st_mtime_ns, status.st_size, entry.path))
    left = sum(size for _, _, size, _ in files)
    for _, _, size, path in sorted(files):
        if left <= most:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
            left -= size
