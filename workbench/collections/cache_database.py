"""A SQLite file in the cache that only saves time: it is started again, or kept in memory, where it fails."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
_LOCK_SECONDS = 10  # to wait while another process writes
# A table with other columns, by another version or another program, is an error in the statement.
_USELESS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


class CacheDatabase:
    """A database of these ``tables``. Safe to use from several threads and processes.

    One that is damaged is started again. Without a writable cache, or on a full disk, what is added is kept
    for the process only.
    """

    def __init__(self, path: Path, tables: Sequence[str]) -> None:
        self._path, self._tables = path, tables
        self._lock = threading.Lock()
        self._memory: sqlite3.Connection | None = None  # in place of a file that cannot be used

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do some work in a transaction; in memory once the file cannot be used."""
        with self._lock:
            if self._memory is None:
                with contextlib.suppress(OSError, sqlite3.Error):
                    return self._in_file(work)
                self._memory = self._copy()
            try:
                with self._memory:
                    return work(self._memory)
            except sqlite3.Error:  # a copy of tables with other columns
                self._memory = self._empty()
                with self._memory:
                    return work(self._memory)

    def _in_file(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            try:
                with contextlib.closing(_connected(str(self._path))) as database, database:
                    database.execute("PRAGMA synchronous = NORMAL")
                    database.execute("BEGIN IMMEDIATE")
                    for table in self._tables:
                        database.execute(table)
                    return work(database)
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if last or code not in _USELESS:
                    raise
                self._path.unlink(missing_ok=True)
        raise AssertionError

    def _copy(self) -> sqlite3.Connection:
        """A copy in memory of a database that cannot be written; empty if it cannot be read."""
        memory = self._empty()
        with contextlib.suppress(sqlite3.Error):
            file = _connected(f"{self._path.absolute().as_uri()}?immutable=1")
            with contextlib.closing(file):
                file.backup(memory)
        for table in self._tables:
            memory.execute(table)
        return memory

    def _empty(self) -> sqlite3.Connection:
        memory = _connected(":memory:")
        for table in self._tables:
            memory.execute(table)
        return memory


def _connected(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, _LOCK_SECONDS, check_same_thread=False, uri=name.startswith("file:"))
