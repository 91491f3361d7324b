"""Distractors: images of another folder that are added to a collection's database as negatives."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from workbench.collections.collection import Collection
from workbench.collections.folder import existing_folder, list_images
from workbench.collections.read_headers import read_headers
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

_SYNTHETIC = "synthetic:"
_TOP = "distractors"


def synthetic_count(distractors: str) -> int:
    """The COUNT of ``synthetic:COUNT``; 0 for a folder or an empty string."""
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
    """Raise WorkbenchError if ``distractors`` is neither a folder nor ``synthetic:COUNT`` nor empty."""
    if not distractors or synthetic_count(distractors):
        return
    try:
        existing_folder(Path(distractors))
    except WorkbenchError as error:
        raise WorkbenchError(f"distractors: {error}; or write synthetic:COUNT") from None


def with_distractors(
    collection: Collection, distractors: str, progress: Progress = silent, cache: Path | None = None
) -> Collection:
    """Add distractors from a folder, or a note on the synthetic ones, which are drawn later.

    Ids are ``distractors/…`` (``distractors2/…`` if the collection has a folder of that name). Files of the
    collection itself are left out. Raises WorkbenchError if no image is left to add.
    """
    if count := synthetic_count(distractors):
        note = (
            f"{count:,} synthetic distractors, with the mean and covariance of the collection's vectors, "
            "count as negatives"
        )
        return replace(collection, notes=(*collection.notes, note))
    if not distractors:
        return collection
    check(distractors)
    root = existing_folder(Path(distractors))
    members = [*collection.images, *(query.image for query in collection.queries)]
    paths = {os.path.realpath(collection.path(image)) for image in members}
    names, problems = list_images(root)
    added = [name for name in names if os.path.realpath(root / name) not in paths]
    if not added:
        reason = (
            f"all {len(names)} images in {str(root)!r} belong to the collection"
            if names
            else f"there is no image in {str(root)!r}"
        )
        raise WorkbenchError(f"distractors: {reason}; name a folder of other images")
    headers, unreadable = read_headers(root, added, progress, cache)
    ids = [*members, *(name for name, _ in collection.problems)]
    top = _unused(_TOP, {image.partition("/")[0] for image in ids})
    left_out = len(names) - len(added)
    note = (
        f"{len(headers):,} images of {str(root)!r} are in the database as distractors, that is, as negatives"
    )
    if left_out:
        note += f"; {left_out:,} more in it belong to the collection and are left out"
    return replace(
        collection,
        images=(*collection.images, *(f"{top}/{name}" for name in headers)),
        problems=(
            *collection.problems,
            *((f"{top}/{name}", reason) for name, reason in problems + unreadable),
        ),
        elsewhere={**collection.elsewhere, top: root},
        notes=(*collection.notes, note),
    )


def _unused(name: str, taken: set[str]) -> str:
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}{number}"
    return unused
