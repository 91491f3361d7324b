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
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise WorkbenchError(
            f"{str(path)!r} cannot be written ({error.strerror or error}): free some space, or choose "
            "another place with --cache; what was there before is kept"
        ) from None
