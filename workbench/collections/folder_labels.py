"""Labels of images from the folders that they are in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from workbench.config.errors import WorkbenchError

LABELS = ("none", "folders", "folders:last")
_ONE_UNREAD = "the other image of its label cannot be read"


def check_labels(labels: str) -> None:
    """Raise WorkbenchError if ``labels`` is not a way to label a folder."""
    if labels not in LABELS:
        raise WorkbenchError(f"labels {labels!r} is not known; valid: {', '.join(LABELS)}")


def only_image(unread: int) -> str:
    """Why the only image of a label is not judged; ``unread`` others of its label cannot be read."""
    if not unread:
        return "the only image of its label"
    return f"the {unread} other images of its label cannot be read" if unread > 1 else _ONE_UNREAD


def label_of_image(image: str, labels: str) -> str:
    """The label of an image in a folder, by ``folders`` or ``folders:last``."""
    folder = image.rpartition("/")[0] or "."
    return folder.rpartition("/")[2] if labels == "folders:last" else folder


def notes_on_equal_names(labels: Iterable[str]) -> tuple[str, ...]:
    """A note if labels end in the same name, as those of ``train/cat`` and ``test/cat``."""
    by_name: dict[str, list[str]] = {}
    for label in labels:
        by_name.setdefault(PurePosixPath(label).name, []).append(label)
    equal = next((same for same in by_name.values() if len(same) > 1), None)
    if equal is None:
        return ()
    total = sum(map(len, by_name.values()))
    return (
        f"{equal[0]!r} and {equal[1]!r} are two labels: the {total} folders have {len(by_name)} different "
        "last names; open the folder with labels='folders:last' (--labels folders:last) to join equal names",
    )
