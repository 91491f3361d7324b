"""Query images that a user uploads: stored in the cache under a hash of their content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from workbench.collections import images
from workbench.common.files import replacing
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

FOLDER = "uploads"
_CHECKED = (64, 64)  # pixels to which a JPEG is decoded to check it
_LONGEST = 48  # characters kept of a file name


def store_upload(data: bytes, name: str, cache: Path) -> Path:
    """Save an image as ``cache/uploads/<hash>-<name>`` if it can be decoded; returns its absolute path.

    The same image with the same name is stored once. Raises WorkbenchError if it cannot be read.
    """
    safe_name = re.sub(r"[^\w.-]+", "_", re.split(r"[/\\]", name)[-1])[-_LONGEST:].lstrip(".-") or "image"
    folder = cache.expanduser().resolve() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.blake2b(data, digest_size=4).hexdigest()}-{safe_name}"
    if path.exists() and path.read_bytes() == data:
        return path
    try:
        with replacing(path, private=True) as part:
            part.write_bytes(data)
            images.load(part, at_least=_CHECKED)
    except WorkbenchError as error:
        raise WorkbenchError(f"{name!r} cannot be used as a query: {error}") from None
    return path


def display_name(name: str) -> str:
    """The name of an image on screen: its id, or the file name of an image outside the collection;
    control characters are escaped."""
    path = Path(name)
    if not path.is_absolute():
        return printable(name)
    return printable(path.name.partition("-")[2] if path.parent.name == FOLDER else path.name)
