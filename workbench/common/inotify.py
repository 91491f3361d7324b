"""Changes of files, as the Linux kernel reports them: inotify(7).

A change is in the queue before the system call that makes it returns, so that whoever reads the queue after
a change cannot miss it. Network file systems report only the changes made on this machine.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import weakref

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
LOST = 0x2000 | 0x4000 | 0x8000  # unmounted, queue overflowed, no longer watched
_MASK_ADD = 0x20000000
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name
# ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, ZFS, bcachefs and overlayfs, by f_type of statfs(2)
_LOCAL = (0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0xF2F52010, 0x2FC12FC1, 0xCA451A4E, 0x794C7630)


class Inotify:
    """A queue of changes. Raises OSError where there is none, or no further one."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise OSError("inotify is a part of Linux")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def watch(self, path: str, changes: int) -> int:
        """Watch a file or a folder, also for earlier ``changes``; returns the number of the watch."""
        return self._call("inotify_add_watch", self._descriptor, os.fsencode(path), changes | _MASK_ADD)

    def read(self) -> list[tuple[int, int, bytes]]:
        """The changes since the last call: the watch, what changed, and the name in a folder, or nothing."""
        changes: list[tuple[int, int, bytes]] = []
        while True:
            try:
                queue = os.read(self._descriptor, 2**16)
            except BlockingIOError:
                return changes
            start = 0
            while start < len(queue):
                watch, change, _, length = _HEADER.unpack_from(queue, start)
                start += _HEADER.size + length
                changes.append((watch, change, queue[start - length : start].rstrip(b"\0")))

    def is_local(self, path: str) -> bool:
        """Whether a file system is one whose changes are all made, and reported, on this machine."""
        status = ctypes.create_string_buffer(256)
        self._call("statfs", os.fsencode(path), status)
        return ctypes.c_ulong.from_buffer(status).value in _LOCAL

    def _call(self, function: str, *arguments: object) -> int:
        result: int = getattr(self._libc, function)(*arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result
