"""Paths that a user gives, converted and checked in one place."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from workbench.config.errors import WorkbenchError

_LONGEST = 120  # characters of a path that a message shows
Listings = dict[Path, dict[str, list[str]]]  # folder → {folded name: names}, so that each is read once


def user_path(value: object, what: str = "the path") -> Path:
    """Convert a path that a user gives, with ``~`` expanded. It need not exist.

    ``~name`` without a user of that name is a plain name, as in a shell. ``what`` names the input in errors.
    Raises WorkbenchError if the value is not text, is empty, or cannot name a file here: it contains a NUL,
    is too long, or leads through a cycle of links or a closed folder.
    """
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if not isinstance(value, str | os.PathLike):
        raise WorkbenchError(f"{what} is {type(value).__name__}, not a path; write it as text")
    text = os.fsdecode(value)
    if not text.strip():
        raise WorkbenchError(f"{what} is empty; name a file or a folder")
    path = Path(os.path.expanduser(text))
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        reason = error.strerror or error
        raise WorkbenchError(f"{what} {shortened(text)!r} cannot be opened: {reason}") from None
    except ValueError:  # a NUL, or a character that the file system cannot encode
        raise WorkbenchError(
            f"{what} {shortened(text)!r} contains a character that no file name has; correct it"
        ) from None
    return path


def user_folder(value: object, what: str = "the folder") -> Path:
    """As ``user_path``, for a folder that may be made later. Raises WorkbenchError also if it is a file."""
    path = user_path(value, what)
    if path.exists() and not path.is_dir():
        raise WorkbenchError(f"{what} {shortened(str(path))!r} is a file; name a folder")
    return path


def user_file(value: object, what: str = "the file") -> Path:
    """As ``user_path``, for a file to write. Raises WorkbenchError if it is something else, as a device."""
    path = user_path(value, what)
    if path.exists() and not path.is_file():
        kind = "folder; name a file in it" if path.is_dir() else "pipe, socket or device; name a file"
        raise WorkbenchError(f"{what} {shortened(str(path))!r} is a {kind}")
    return path


def shortened(text: str) -> str:
    """A long text without its middle."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 3 :]}"


def find_file(path: Path, listings: Listings | None = None) -> Path | None:
    """The file of a path that may be written as on another system; None if there is none, or several.

    The path as it is goes first. Otherwise backslashes separate folders, and names are compared without
    case and in one Unicode form: macOS writes ``é`` as two characters, and Windows does not tell ``A`` from
    ``a``. ``listings`` is kept by the caller between calls.
    """
    if os.path.lexists(path):
        return path
    listings = {} if listings is None else listings
    plain = Path(os.path.normpath(str(path).replace("\\", "/")))
    current = Path(plain.anchor)
    for part in plain.relative_to(plain.anchor).parts:
        step = current / part
        if not os.path.lexists(step):
            names = _listing(current, listings).get(_folded(part), ())
            if len(names) != 1:
                return None
            step = current / names[0]
        current = step
    return current


def _listing(folder: Path, listings: Listings) -> dict[str, list[str]]:
    if folder not in listings:
        listings[folder] = {}
        try:
            names = os.listdir(folder)
        except (OSError, ValueError):
            names = []
        for name in names:
            listings[folder].setdefault(_folded(name), []).append(name)
    return listings[folder]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
