"""Distractors: images of another folder that join the database of any collection as negatives."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from workbench.collections.collection import Collection
from workbench.collections.folder import existing_folder, list_images, read_headers
from workbench.config import WorkbenchError
from workbench.progress import Progress, silent

_SYNTHETIC = "synthetic:"
_TOP = "distractors"


def synthetic_count(distractors: str) -> int:
    """How many are asked for by ``synthetic:COUNT``; 0 for a folder or nothing."""
    if not distractors.startswith(_SYNTHETIC):
        return 0
    count = distractors.removeprefix(_SYNTHETIC)
    if not re.fullmatch(r"0*[1-9][0-9]{0,11}", count):
        raise WorkbenchError(
            f"distractors {distractors!r}: {count!r} is not a number from 1; "
            "it is written synthetic:COUNT, as in synthetic:1000000"
        )
    return int(count)


def check(distractors: str) -> None:
    """Raise WorkbenchError where they are neither a folder nor ``synthetic:COUNT``, nor empty."""
    if not distractors or synthetic_count(distractors):
        return
    try:
        existing_folder(Path(distractors))
    except WorkbenchError as error:
        raise WorkbenchError(f"distractors: {error}; or write synthetic:COUNT") from None


def with_distractors(collection: Collection, distractors: str, progress: Progress = silent) -> Collection:
    """The collection with distractors from a folder, or with a note of the synthetic ones to be drawn later.

    Ids are ``distractors/…`` (``distractors2/…`` where the collection has a folder of that name). Files that
    are the collection's own are left out. Raises WorkbenchError where the folder has nothing to add.
    """
    if count := synthetic_count(distractors):
        note = (
            f"{count:,} synthetic distractors, of the mean and covariance of the collection's vectors, "
            "count as negatives"
        )
        return replace(collection, notes=(*collection.notes, note))
    if not distractors:
        return collection
    check(distractors)
    root = existing_folder(Path(distractors))
    mine = [*collection.images, *(query.image for query in collection.queries)]
    own = {os.path.realpath(collection.path(image)) for image in mine}
    names, problems = list_images(root)
    added = [name for name in names if os.path.realpath(root / name) not in own]
    if not added:
        what = f"all {len(names)} images in" if names else "there is no image in"
        why = " are the collection's own" if names else ""
        raise WorkbenchError(f"distractors: {what} {str(root)!r}{why}; name a folder of other images")
    headers, unreadable = read_headers(root, added, progress)
    top = _free(
        _TOP, {image.partition("/")[0] for image in [*mine, *(name for name, _ in collection.problems)]}
    )
    left = len(names) - len(added)
    note = (
        f"{len(headers):,} images of {str(root)!r} are in the database as distractors, that is, as negatives"
    )
    if left:
        note += f"; {left:,} more there are the collection's own and are left out"
    return replace(
        collection,
        images=(*collection.images, *(f"{top}/{name}" for name in headers)),
        problems=(*collection.problems, *((f"{top}/{name}", why) for name, why in problems + unreadable)),
        elsewhere={**collection.elsewhere, top: root},
        notes=(*collection.notes, note),
    )


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free
