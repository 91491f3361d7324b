"""The contents of image files: a hash of each, kept in the cache, and computed again when the file changes.

Everything that is stored about an image is named by its key. One content has one key, whatever its file's
name and times: a copied collection uses the stored maps of the original. The key is the fingerprint of the
header that the content was first seen with, as in caches of version 0.1; where another content had the same
fingerprint, it is a hash of both. A file is read again only when its ``stamp`` differs.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import cast

from workbench.collections import header_table, images
from workbench.collections.cache_database import CacheDatabase
from workbench.collections.images import Header
from workbench.collections.video.moment import DECIMALS, moment_of
from workbench.common.files import Stamp, is_settled, stamp
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

_TABLES = (
    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, stamp TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS keys (digest BLOB PRIMARY KEY, key TEXT NOT NULL UNIQUE)",
    header_table.TABLE,
)
_TOGETHER = 256  # files between two writes to the disk
_ATTEMPTS = 3  # to read a file that does not change meanwhile


class Contents:
    """The headers and keys of the images of one cache. Safe to use from several threads and processes.

    Without a writable cache they are kept for the process only.
    """

    def __init__(self, cache: Path) -> None:
        self._database = CacheDatabase(cache / "contents.sqlite", _TABLES)
        self._headers: dict[str, Header] = {}  # by path, with the keys of the contents as fingerprints

    def load(self, paths: Sequence[str]) -> None:
        """Remember the stored headers of images, all at once; those whose files have changed are not used."""
        names = {_name(path): path for path in paths if "#t=" not in path}
        if not names:
            return
        stored = self._database.run(lambda database: header_table.select(database, list(names)))
        images.remember({names[name]: header for name, (header, _) in stored.items()})
        for name, (header, key) in stored.items():
            if key:
                self._headers[names[name]] = replace(header, fingerprint=key)

    def save(self, headers: Mapping[str, Header]) -> None:
        """Store the headers of images, by path, that were read now."""
        settled = [(_name(path), header, "") for path, header in headers.items() if images.is_settled(path)]
        self._database.run(lambda database: header_table.insert(database, settled))

    def header(self, path: Path) -> Header:
        """The header of an image; its fingerprint is the key of the content. Raises WorkbenchError."""
        headers, unreadable = self.headers([path])
        if unreadable:
            raise WorkbenchError(unreadable[0])
        return headers[0]

    def headers(
        self, paths: Sequence[Path], progress: Progress = silent
    ) -> tuple[dict[int, Header], dict[int, str]]:
        """The headers of images by position, and {position: reason} of the unreadable ones."""
        headers: dict[int, Header] = {}
        unreadable: dict[int, str] = {}
        changed: dict[int, Header] = {}
        names = [os.fspath(path) for path in paths]
        self.load([name for name in names if name not in self._headers])
        for position, path in enumerate(paths):
            if position % _TOGETHER == 0 and len(paths) > _TOGETHER:
                progress("reading the headers of images", position, len(paths))
            try:
                header = images.header(path)
            except WorkbenchError as error:
                unreadable[position] = str(error)
                continue
            known = self._headers.get(names[position])
            if known is not None and known.stamp == header.stamp:
                headers[position] = known
            else:
                changed[position] = header
        order = list(changed)
        for start in range(0, len(order), _TOGETHER):
            if len(order) > _TOGETHER:
                progress("comparing images with their stored hashes", start, len(order))
            positions = order[start : start + _TOGETHER]
            identified = self._identify({paths[position]: changed[position] for position in positions})
            for position in positions:
                result = identified[paths[position]]
                if isinstance(result, Header):
                    headers[position] = self._headers[names[position]] = result
                else:
                    unreadable[position] = result
        return headers, unreadable

    def _identify(self, headers: Mapping[Path, Header]) -> dict[Path, Header | str]:
        """The headers with the keys of their files' contents, or the reason that a file cannot be read."""
        stored = self._database.run(lambda database: _stored(database, headers))
        missing = [path for path in headers if path not in stored]
        results: dict[Path, Header | str] = {}
        hashed: dict[Path, tuple[Header, bytes]] = {}
        with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
            for path, result in zip(missing, pool.map(_hash, missing), strict=True):
                if isinstance(result, str):
                    results[path] = result
                else:
                    hashed[path] = result
        known = {path: (headers[path], digest) for path, digest in stored.items()}
        keys = self._database.run(lambda database: _record(database, hashed, known))
        return {
            **results,
            **{
                path: replace(header, fingerprint=keys[d])
                for path, (header, d) in {**hashed, **known}.items()
            },
        }


@lru_cache(maxsize=16)
def of(cache: Path) -> Contents:
    """The contents of a cache, shared by all that use it in this process."""
    return Contents(cache)


def _stored(database: sqlite3.Connection, headers: Mapping[Path, Header]) -> dict[Path, bytes]:
    """The stored hashes of the files that have not changed since."""
    digests = {}
    for path, header in headers.items():
        row = database.execute("SELECT stamp, digest FROM files WHERE path = ?", (_name(path),)).fetchone()
        if row is not None and row[0] == _text(header):
            digests[path] = bytes(row[1])
    return digests


def _record(
    database: sqlite3.Connection,
    hashed: Mapping[Path, tuple[Header, bytes]],
    known: Mapping[Path, tuple[Header, bytes]],
) -> dict[bytes, str]:
    """Store new hashes; returns the key of each content, new or known.

    A new content gets its fingerprint as its key, or a hash of both where another content has that key.
    """
    keys = {}
    for header, digest in [*hashed.values(), *known.values()]:
        other = blake2b(header.fingerprint.encode() + digest, digest_size=16).hexdigest()
        for candidate in (header.fingerprint, other):
            row = database.execute("SELECT key FROM keys WHERE digest = ?", (digest,)).fetchone()
            if row is None:  # another process may store it at this moment
                database.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (digest, candidate))
            keys[digest] = other if row is None else str(row[0])
    database.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?)",
        [
            (_name(path), _text(header), digest)
            for path, (header, digest) in hashed.items()
            if is_settled(header.stamp)
        ],
    )
    settled = [
        (_name(path), header, keys[digest])
        for path, (header, digest) in {**hashed, **known}.items()
        if images.is_settled(os.fspath(path))
    ]
    header_table.insert(database, settled)
    return keys


def _hash(path: Path) -> tuple[Header, bytes] | str:
    """The header and the hash of an image file of one moment, or the reason that it cannot be read."""
    try:
        for _ in range(_ATTEMPTS):
            header = images.header(path)
            moment = moment_of(path)
            file = path if moment is None else moment.file
            if moment is None:
                digest = _digest(path)
            else:  # the video is read once for all its moments
                digest = blake2b(_video_digest(file, header.stamp), digest_size=16)
                digest.update(f"{moment.seconds:.{DECIMALS}f}".encode())
            digest.update(header.rules.encode())  # of decoding, which say what the content means
            if stamp(file.stat()) == header.stamp:
                return header, digest.digest()
    except WorkbenchError as error:
        return str(error)
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return "the file is being written by another program; try again when that has ended"


def _digest(path: Path) -> blake2b:
    with path.open("rb") as file:
        return cast("blake2b", hashlib.file_digest(file, lambda: blake2b(digest_size=16)))


@lru_cache(maxsize=256)
def _video_digest(path: Path, changed: Stamp) -> bytes:
    """The hash of a video file, read once for each ``changed``."""
    return _digest(path).digest()


def _name(path: Path | str) -> bytes:
    text = os.fspath(path)
    plain = text.startswith("/") and "/." not in text and "//" not in text
    return os.fsencode(text if plain else os.path.abspath(text))


def _text(header: Header) -> str:
    return " ".join([*map(str, header.stamp), header.rules]).rstrip()
