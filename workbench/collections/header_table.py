"""The table of the headers of image files: what they said when they were read, and their stamps then."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from PIL import Image

from workbench.collections.images import Header

TABLE = (
    "CREATE TABLE IF NOT EXISTS headers (path BLOB PRIMARY KEY, version TEXT NOT NULL, stamp TEXT NOT NULL, "
    "width INTEGER NOT NULL, height INTEGER NOT NULL, fingerprint TEXT NOT NULL, note TEXT NOT NULL, "
    "rules TEXT NOT NULL, key TEXT NOT NULL) WITHOUT ROWID"
)
# Raise the number when ``image_headers`` reads the same file differently.
VERSION = f"1 {Image.__version__}"
_AT_ONCE = 500  # paths in a statement


def select(database: sqlite3.Connection, paths: Sequence[bytes]) -> dict[bytes, tuple[Header, str]]:
    """The stored header of each path, and the key of its content, empty if that is not known."""
    stored = {}
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        rows = database.execute(
            "SELECT path, stamp, width, height, fingerprint, note, rules, key FROM headers "
            f"WHERE version = ? AND path IN ({','.join('?' * len(some))})",
            [VERSION, *some],
        )
        for path, changed, width, height, fingerprint, note, rules, key in rows:
            size, modified, renamed, inode = map(int, changed.split())
            times = size, modified, renamed, inode
            stored[path] = Header(width, height, fingerprint, note, rules, times), key
    return stored


def insert(database: sqlite3.Connection, headers: Iterable[tuple[bytes, Header, str]]) -> None:
    """Store (path, header, key), in place of what was stored of these paths."""
    rows = []
    for path, read, key in headers:
        changed = " ".join(map(str, read.stamp))
        facts = read.width, read.height, read.fingerprint, read.note, read.rules
        rows.append((path, VERSION, changed, *facts, key))
    database.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
