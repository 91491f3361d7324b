"""The database of runs: one SQLite file in WAL mode, shared by kernels and threads."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

from workbench.config.errors import WorkbenchError

MIGRATIONS = (  # each brings the database to the next version
    "CREATE TABLE runs (id TEXT PRIMARY KEY, time TEXT NOT NULL, pipeline TEXT NOT NULL, "
    "collection TEXT NOT NULL, fingerprint TEXT NOT NULL, protocol TEXT NOT NULL, mean_ap REAL, "
    "seconds REAL NOT NULL, seed INTEGER NOT NULL, metrics TEXT NOT NULL, per_query TEXT NOT NULL, "
    "provenance TEXT NOT NULL, warnings TEXT NOT NULL)",
)
LOCK_TIMEOUT = 10  # seconds to wait while another kernel writes


@contextlib.contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for writing, to the newest version of the database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
    try:
        _migrate(connection, path)
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading; to an empty database if there is no file yet.

    In a folder that cannot be written, where SQLite opens no database in WAL mode, a copy is read. Raises
    WorkbenchError if the file cannot be read.
    """
    try:
        with contextlib.ExitStack() as stack:
            if not path.is_file():
                connection = stack.enter_context(contextlib.closing(sqlite3.connect(":memory:")))
                _migrate(connection, path)
            else:
                try:
                    connection = stack.enter_context(writing(path))
                except (OSError, sqlite3.OperationalError):
                    connection = stack.enter_context(writing(_copy(path, stack)))
            connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged value
            yield connection
    except (OSError, sqlite3.Error) as error:
        remedy = "make it readable, and try again"
        if isinstance(error, sqlite3.Error) and damaged(error):
            remedy = "the next evaluation moves it aside and starts a new one"
        raise WorkbenchError(f"the history {path} cannot be read ({error}); {remedy}") from None


def _copy(path: Path, stack: contextlib.ExitStack) -> Path:
    """Copy a database, with what is not yet merged into it, to a folder that ends with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-runs-")))
    for ending in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(f"{path}{ending}", folder / f"{path.name}{ending}")
    return folder / path.name


def damaged(error: sqlite3.Error) -> bool:
    """Whether the error means that the file is not a database or is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def move_aside(path: Path) -> str:
    """Move a damaged database aside; returns its new name, or "" if another kernel has moved it already."""
    with _lock(path):
        if _intact(path):
            return ""
        kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}")
        for ending in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{ending}", f"{kept}{ending}")
        return kept.name


def _intact(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT)) as connection:
            return connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False


def _lock(path: Path) -> filelock.BaseFileLock:
    """The lock for creating a database, changing its version and moving it aside."""
    return filelock.FileLock(path.with_name(".lock"), timeout=LOCK_TIMEOUT)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to the newest version. Raises WorkbenchError if it is newer than this program."""
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise WorkbenchError(
            f"the history {path} has version {version}, and this workbench supports {len(MIGRATIONS)}: "
            "update the workbench, or use another cache"
        )
    if version < len(MIGRATIONS):
        with _lock(path) if path.parent.is_dir() else contextlib.nullcontext():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for change in MIGRATIONS[_version(connection) :]:  # another kernel may have applied some
                connection.execute(change)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            connection.execute("COMMIT")
    connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a killed process damages nothing


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
