"""The perceptual hashes of pictures, computed once for each content and stored in the cache."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.collections import contents
from workbench.collections.perceptual_hash import BYTES, file_hashes
from workbench.common.progress import Progress, silent

VERSION = 1  # increased when the same picture has other hashes
_TABLE = "CREATE TABLE IF NOT EXISTS hashes (key TEXT PRIMARY KEY, hashes BLOB NOT NULL, share REAL NOT NULL)"
_LOCK_SECONDS = 10  # to wait while another process writes


def stored_hashes(
    paths: Sequence[Path], cache: Path, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """As ``file_hashes``, without hashing again what is stored.

    A store that is damaged or cannot be written only costs time.
    """
    headers, _ = contents.of(cache).headers(paths, progress)
    keys = {position: header.fingerprint for position, header in headers.items()}
    hashes, shares = np.zeros((len(paths), 2, BYTES), np.uint8), np.zeros(len(paths))
    known = _read(cache, set(keys.values()))
    missing = []
    for position in range(len(paths)):
        entry = known.get(keys.get(position, ""))
        if entry is None:
            missing.append(position)
        else:
            hashes[position], shares[position] = entry
    if missing:
        chosen = [paths[position] for position in missing]
        hashes[missing], shares[missing] = file_hashes(chosen, os.cpu_count() or 1, progress)
        read = [position for position in missing if shares[position] > 0 and position in keys]
        _write(cache, [(keys[row], hashes[row].tobytes(), float(shares[row])) for row in read])
    return hashes, shares


def _connect(cache: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(cache / f"hashes-v{VERSION}.sqlite", timeout=_LOCK_SECONDS)
    connection.execute(_TABLE)
    return connection


def _read(cache: Path, keys: set[str]) -> dict[str, tuple[np.ndarray, float]]:
    known = {}
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(_connect(cache)) as connection:
        for key, data, share in connection.execute("SELECT key, hashes, share FROM hashes"):
            if key in keys and len(data) == 2 * BYTES:
                known[key] = np.frombuffer(data, np.uint8).reshape(2, BYTES), float(share)
    return known


def _write(cache: Path, rows: Sequence[tuple[str, bytes, float]]) -> None:
    with (
        contextlib.suppress(sqlite3.Error, OSError),
        contextlib.closing(_connect(cache)) as connection,
        connection,
    ):
        connection.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", rows)
