"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.config import WorkbenchError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises WorkbenchError where the disk does not take it."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # a full disk may tell only now
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise full(path, error) from None


def full(path: Path, error: OSError) -> WorkbenchError:
    """What to say where a disk does not take a file."""
    return WorkbenchError(
        f"{str(path)!r} cannot be written ({error.strerror or error}): free some space, or choose another "
        "place with --cache; what was there before is kept, and the same call goes on from it"
    )
