"""The state of the files of a collection, looked up again only when one of them may have changed.

On local file systems of Linux the kernel reports changes, and a look-up takes the same time for any number
of files. What it does not report (writing through mapped memory before the file is closed, through a hard
link that is made later, mounting over a folder) is seen by comparing the stamps of all files after some
seconds. On other systems the stamps are compared each time.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import threading
import time
from collections.abc import Iterable, Sequence

from workbench.common import inotify
from workbench.common.files import Stamp, stamp
from workbench.common.inotify import Inotify

_INTERVAL = 2.0  # seconds after which stamps are compared although no change is reported
_SHARE = 20  # the interval, in times that comparing takes
_AGAIN = 30.0  # seconds after which it is tried again to watch files
_AT_ONCE = 4096  # stamps that are hashed together
_MOST_LINKED = 50_000  # files of several hard links: each takes 1 KB of the kernel's memory
_LINKS = 40  # that are followed, as by the kernel
_IN_FOLDER = (
    inotify.ATTRIB | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE
    | inotify.DELETE_SELF | inotify.MOVE_SELF
)  # fmt: skip
_IN_FILE = inotify.ATTRIB | inotify.MODIFY | inotify.CLOSE_WRITE


class WatchedFiles:
    """Files, by path. Safe to use from several threads, and after a fork."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(dict.fromkeys(paths))
        self._lock = threading.Lock()
        self._watches: _Watches | None = None
        self._process = 0
        self._state = b""
        self._compare_at = self._watch_at = 0.0  # monotonic times

    def state(self) -> bytes:
        """A value that changes when the stamp of a file does, or when a file appears or disappears."""
        with self._lock:
            if self._process != os.getpid():  # after a fork the queue belongs to the parent
                self._process, self._watches = os.getpid(), None
            reported = self._watches is None or not self._watches.are_quiet()
            if not reported and time.monotonic() < self._compare_at:
                return self._state
            if reported and self._state:  # commands ask once only, and need no watches
                self._watch()
            state = self._compare()
            if state != self._state and not reported:  # as after mounting a file system over a folder
                self._watch()
                state = self._compare()
            self._state = state
            return state

    def _watch(self) -> None:
        """Watch the files as they are now; their stamps are read afterwards."""
        self._watches = None  # closes the queue
        if time.monotonic() >= self._watch_at:
            try:
                self._watches = _Watches(self._paths)
            except (OSError, ValueError):
                self._watch_at = time.monotonic() + _AGAIN

    def _compare(self) -> bytes:
        started = time.monotonic()
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, len(self._paths), _AT_ONCE):
            stamps = list(map(_stamp_of, self._paths[start : start + _AT_ONCE]))
            digest.update(marshal.dumps(stamps, 2))  # of version 2, which has no references
        ended = time.monotonic()
        self._compare_at = ended + max(_INTERVAL, _SHARE * (ended - started))
        return digest.digest()


class _Watches:
    """Watches of all that the paths of files lead through. Raises OSError if something cannot be watched.

    Folders are watched from the one that contains all files; above it, and where a link leads elsewhere, a
    folder is the same as long as its inode is.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._queue = Inotify()
        self._names: dict[int, set[bytes]] = {}  # by watch
        self._inodes: dict[str, tuple[int, int]] = {}  # of folders
        folders: dict[str, set[str]] = {}
        for path in paths:
            folder, name = os.path.split(path)
            folders.setdefault(folder, set()).add(name)
        top = os.path.commonpath(folders) if folders else ""
        above: dict[str, set[str]] = {}  # the folders of folders
        for folder in folders:
            while folder != top:
                parent, name = os.path.split(folder)
                if parent == folder:
                    raise OSError(f"{folder!r} is not written as the others")
                if folder in above.get(parent, ()):
                    break
                above.setdefault(parent, set()).add(folder)
                folder = parent
        self._add_root(top)
        for parent in sorted(above):
            self._add(parent, _IN_FOLDER, {os.path.basename(folder) for folder in above[parent]})
            for folder in filter(os.path.islink, above[parent]):
                self._add_root(folder)
        for folder, names in folders.items():
            self._add(folder, _IN_FOLDER | _IN_FILE, names)
        linked = 0
        for path in paths:
            linked += self._follow(path)
            if linked > _MOST_LINKED:
                raise OSError("too many files of several hard links")
        if any(_inode(folder) != inode for folder, inode in self._inodes.items()):
            raise OSError("a folder was moved meanwhile")

    def are_quiet(self) -> bool:
        """Whether nothing has been reported since the last call, and all folders are the same."""
        if any(_inode(folder) != inode for folder, inode in self._inodes.items()):
            return False
        return not any(
            change & inotify.LOST or not name or name in self._names.get(watch, ())
            for watch, change, name in self._queue.read()
        )

    def _add_root(self, folder: str) -> None:
        inode = _inode(folder)
        if inode is None:
            raise OSError(f"{folder!r} is no folder")
        self._inodes[folder] = inode

    def _add(self, path: str, changes: int, names: Iterable[str] = ()) -> None:
        if not self._queue.is_local(path or "."):
            raise OSError(f"the file system of {path!r} does not report all changes")
        watch = self._queue.watch(path or ".", changes)
        self._names.setdefault(watch, set()).update(map(os.fsencode, names))

    def _follow(self, path: str) -> int:
        """Watch where a symbolic link leads, and a file of several hard links, one of which it counts."""
        for _ in range(_LINKS):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return 0  # its folder reports if it appears
            if not stat.S_ISLNK(status.st_mode):
                break
            path = os.path.join(os.path.dirname(path), os.readlink(path))
            folder, name = os.path.split(path)
            self._add_root(folder)
            self._add(folder, _IN_FOLDER | _IN_FILE, [name])
        if status.st_nlink < 2:
            return 0
        self._add(path, _IN_FILE)
        return 1


def _stamp_of(path: str) -> Stamp | None:
    try:
        return stamp(os.stat(path))
    except (OSError, ValueError):
        return None


def _inode(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder or ".")
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
