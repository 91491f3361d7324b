"""Labelled pictures of a collection, split into training and held-out rows."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.features.map_source import Picture

_CHECKED_SIZE = (32, 32)  # a JPEG is decoded at this size to check that it is readable


@dataclass(frozen=True)
class Labelled:
    """``pictures`` with their image ``ids``, class numbers ``classes`` [n], and the ``names`` of the classes.

    ``notes`` are sentences about images that are left out.
    """

    pictures: tuple[Picture, ...]
    ids: tuple[str, ...]
    classes: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def labelled(collection: Collection, progress: Progress = silent) -> Labelled:
    """Pictures of labels with two or more; without labels, queries and their positives.

    Pictures that are positives of several queries, the only one of their label, or unreadable are left out.
    Raises WorkbenchError if fewer than two classes are left.
    """
    rows = _by_label(collection) or _by_query(collection)
    if not rows:
        raise WorkbenchError(
            f"{collection.name!r} has no labels to learn from: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    unreadable = _unreadable([picture for picture, _, _ in rows], progress)
    rows = [row for number, row in enumerate(rows) if number not in unreadable]
    sizes = Counter(label for _, _, label in rows)
    single = sorted(label for label, size in sizes.items() if size == 1)
    names = sorted(label for label, size in sizes.items() if size > 1)
    if len(names) < 2:
        raise WorkbenchError(
            f"{collection.name!r} has {len(names)} labels with two or more readable images; "
            "two such labels or more are needed to tell them apart"
        )
    rows = [row for row in rows if sizes[row[2]] > 1]
    number = {label: n for n, label in enumerate(names)}
    notes = []
    if unreadable:
        notes.append(f"{len(unreadable)} images cannot be read and are left out")
    if single:
        examples = ", ".join(single[:3]) + (" …" if len(single) > 3 else "")
        notes.append(
            f"{len(single)} labels have one image, which has nothing to match: left out ({examples})"
        )
    return Labelled(
        tuple(picture for picture, _, _ in rows),
        tuple(image for _, image, _ in rows),
        np.array([number[label] for _, _, label in rows]),
        tuple(names),
        tuple(notes),
    )


def hold_out(data: Labelled, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out: a ``share`` of each class of four or more, at least two.

    At least two of each class are trained on. Raises WorkbenchError if no class is large enough.
    """
    rng = np.random.default_rng([seed, 1])
    held_out: list[int] = []
    for number in range(len(data.names)):
        rows = np.flatnonzero(data.classes == number)
        if len(rows) >= 4:
            count = min(max(2, round(share * len(rows))), len(rows) - 2)
            held_out += rng.permutation(rows)[:count].tolist()
    if not held_out:
        raise WorkbenchError(
            "no label has four or more images, so none can be held out and nothing tells when to stop; "
            "add images of some labels"
        )
    return np.setdiff1d(np.arange(len(data.classes)), held_out), np.sort(held_out)


_Rows = list[tuple[Picture, str, str]]  # the picture, its image's id, its label


def _by_label(collection: Collection) -> _Rows:
    return [(Picture(collection.path(image)), image, label) for image, label in collection.labels.items()]


def _by_query(collection: Collection) -> _Rows:
    """Each query and its positives under the headline setting, labelled with the query's id."""
    if collection.protocol is None:
        return []
    protocol = collection.protocol
    positive = protocol.settings[protocol.headline][0]
    members = {
        query.id: [image for image, grade in collection.relevance[query.id].items() if grade in positive]
        for query in collection.queries
    }
    counts = Counter(image for images in members.values() for image in images)
    rows: _Rows = []
    for query in collection.queries:
        box = query.box if protocol.crop_queries else None
        rows.append((Picture(collection.path(query.image), box), query.image, query.id))
        for image in members[query.id]:
            if counts[image] == 1 and image != query.image:
                rows.append((Picture(collection.path(image)), image, query.id))
    return rows


def _unreadable(pictures: list[Picture], progress: Progress) -> set[int]:
    def is_readable(picture: Picture) -> bool:
        try:
            images.load(picture.path, picture.box, at_least=_CHECKED_SIZE)
        except WorkbenchError:
            return False
        return True

    unreadable = set()
    with ThreadPoolExecutor(4) as pool:
        try:
            for row, readable in enumerate(pool.map(is_readable, pictures)):
                progress("checking images", row, len(pictures))
                if not readable:
                    unreadable.add(row)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: skip the rest
            raise
    return unreadable
