"""Files below a folder, without hidden ones and those that systems keep beside the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

# Copies of thumbnails and attributes, settings and waste: of macOS' archives, Windows, and network disks.
_OF_SYSTEMS = frozenset(
    ("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir")
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system keeps beside the user's files."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def visible_files(root: Path, pattern: str) -> list[Path]:
    """The files below ``root`` that match a pattern, sorted; none of them hidden, or in a hidden folder."""
    matching = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not is_hidden(name)]
        matching += [
            Path(folder, name) for name in files if fnmatchcase(name, pattern) and not is_hidden(name)
        ]
    return sorted(matching)


def answers(question: Callable[[], bool]) -> bool:
    """Whether an entry is a file or folder; no if its link cannot be followed."""
    try:
        return question()
    except OSError:
        return False
