"""Files of a training: the finished file, and the folder of work in progress, locked by one process."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.common.files import disk_error, replace_file
from workbench.config.errors import WorkbenchError
from workbench.features.cards import trained_path

LOCK = ".lock"


@dataclass(frozen=True)
class Workspace:
    """Paths of a training: the finished ``file``, the working ``folder`` and the ``checkpoint``."""

    name: str
    file: Path

    @classmethod
    def of(cls, cache: Path, name: str) -> Workspace:
        """Raises WorkbenchError if the name is not valid."""
        if not re.fullmatch(r"[a-z0-9_-]+", name):
            raise WorkbenchError(f"name {name!r}: write it with small letters, digits, - and _ only")
        return cls(name, trained_path(cache, name))

    @property
    def folder(self) -> Path:
        return self.file.with_suffix(".training")

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @contextlib.contextmanager
    def training_lock(self) -> Iterator[None]:
        """Create the folder and lock it. Raises WorkbenchError if another process holds the lock."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK, timeout=0)
            lock.acquire()
        except Timeout:
            raise WorkbenchError(
                f"{self.name!r} is being trained by another process; wait until it ends, or choose another "
                "name"
            ) from None
        except OSError as error:
            raise disk_error(self.folder, error) from None
        try:
            yield
        finally:
            self._remove_if_unused()
            lock.release()

    def _remove_if_unused(self) -> None:
        """Delete the folder of a training that ended before its first epoch, so that its name is free."""
        with contextlib.suppress(OSError):  # deleted by ``finish``
            if all(path.name == LOCK for path in self.folder.iterdir()):
                shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, content: bytes | None = None) -> Path:
        """Write the finished file, unless it is there already (None), and delete the folder."""
        if content is not None:
            replace_file(self.file, content)
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.file
