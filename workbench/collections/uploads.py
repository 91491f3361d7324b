"""Images that a user brings along to search with: kept in the cache, named by what is in them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from workbench.collections import images
from workbench.config import WorkbenchError

FOLDER = "uploads"
_LONGEST = 48  # characters of a name that are kept


def keep(data: bytes, name: str, cache: Path) -> Path:
    """Save an image under ``cache/uploads/<hash>-<name>``, once it was decoded; its absolute path.

    The same image under the same name is kept once. Raises WorkbenchError where it cannot be read.
    """
    plain = re.sub(r"[^\w.-]+", "_", re.split(r"[/\\]", name)[-1])[-_LONGEST:].lstrip(".-") or "image"
    folder = cache.expanduser().resolve() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.blake2b(data, digest_size=4).hexdigest()}-{plain}"
    if path.exists() and path.read_bytes() == data:
        return path
    handle, draft = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        images.load(Path(draft))
        os.replace(draft, path)
    except WorkbenchError as error:
        raise WorkbenchError(f"{name!r} cannot be searched with: {error}") from None
    finally:
        Path(draft).unlink(missing_ok=True)
    return path


def shown(name: str) -> str:
    """How an image is named on screen: by its id, or, where it is a file elsewhere, by its file name."""
    path = Path(name)
    if not path.is_absolute():
        return name
    return path.name.partition("-")[2] if path.parent.name == FOLDER else path.name
