"""A folder whose content is rendered on first use: complete or absent, for any number of processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError

Truth = TypeVar("Truth")


def rendered_folder(
    root: Path,
    read: Callable[[Path], Truth | None],
    make: Callable[[Path, Progress], None],
    contents: Collection[str],
    progress: Progress,
) -> Truth:
    """What ``read`` returns of ``root``; if that is None, ``make`` renders the folder first.

    ``contents`` are the names of all that is in the folder. Raises WorkbenchError if it cannot be written
    or contains other files.
    """
    truth = read(root)
    if truth is None:
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(root.with_name(f".{root.name}.lock")):
                truth = read(root)  # another process may have rendered it in the meantime
                if truth is None:
                    _replace(root, make, contents, progress)
                    truth = read(root)
        except OSError as error:
            raise WorkbenchError(
                f"the {root.name} cannot be made in {str(root)!r} ({error.strerror or error}); "
                "free some space there, or choose another folder with --cache"
            ) from None
    assert truth is not None  # just rendered
    return truth


def _replace(
    root: Path, make: Callable[[Path, Progress], None], contents: Collection[str], progress: Progress
) -> None:
    """Render beside ``root`` and move the folder there in one step, so that it is never incomplete."""
    foreign = {p.name for p in root.iterdir()} - {*contents} if root.exists() else set()
    if foreign:
        raise WorkbenchError(
            f"{str(root)!r} contains other files ({min(foreign)!r}), so the {root.name} are not rendered "
            "there; move them, or choose another folder with --cache"
        )
    staging = root.with_name(f".{root.name}.making")
    shutil.rmtree(staging, ignore_errors=True)  # left by a killed process
    try:
        make(staging, progress)
        if root.exists():
            shutil.rmtree(root)
        os.replace(staging, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
