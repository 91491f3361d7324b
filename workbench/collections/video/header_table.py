"""The headers of videos in the cache: their ends are decoded to know their length, once for each file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import cv2

from workbench.collections.cache_database import CacheDatabase
from workbench.collections.video.header import VideoHeader
from workbench.common.files import is_settled

_TABLE = (
    "CREATE TABLE IF NOT EXISTS videos (path BLOB PRIMARY KEY, version TEXT NOT NULL, stamp TEXT NOT NULL, "
    "width INTEGER NOT NULL, height INTEGER NOT NULL, seconds REAL NOT NULL, fps REAL NOT NULL, "
    "fingerprint TEXT NOT NULL, note TEXT NOT NULL) WITHOUT ROWID"
)
# Raise the number when ``video_header`` reads the same file differently.
_VERSION = f"1 {cv2.__version__}"


@lru_cache(maxsize=16)
def _database(cache: Path) -> CacheDatabase:
    return CacheDatabase(cache / "contents.sqlite", (_TABLE,))  # beside the headers of images


def stored_headers(cache: Path, paths: Iterable[Path]) -> dict[Path, VideoHeader]:
    """The headers that are stored of videos; their files may have changed since."""

    def select(database: sqlite3.Connection) -> dict[Path, VideoHeader]:
        stored = {}
        for path in paths:
            row = database.execute(
                "SELECT width, height, seconds, fps, fingerprint, note, stamp FROM videos "
                "WHERE version = ? AND path = ?",
                (_VERSION, _name(path)),
            ).fetchone()
            if row is not None:
                width, height, seconds, fps, fingerprint, note, stamp = row
                size, modified, renamed, inode = map(int, stamp.split())
                stored[path] = VideoHeader(
                    width, height, seconds, fps, fingerprint, note, (size, modified, renamed, inode)
                )
        return stored

    return _database(cache).run(select)


def store_headers(cache: Path, headers: Sequence[tuple[Path, VideoHeader]]) -> None:
    """Store headers that tell every change of their files by the stamp."""
    rows = [
        (
            _name(path),
            _VERSION,
            " ".join(map(str, header.stamp)),
            header.width,
            header.height,
            header.seconds,
            header.fps,
            header.fingerprint,
            header.note,
        )
        for path, header in headers
        if is_settled(header.stamp)
    ]
    if rows:
        _database(cache).run(
            lambda database: database.executemany(
                "INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
        )


def _name(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))
