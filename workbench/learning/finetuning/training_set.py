"""Labelled pictures of a collection: what is trained on, and what is held out to validate on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from workbench.collections import images
from workbench.collections.collection import Collection
from workbench.config import WorkbenchError
from workbench.features.maps import Picture
from workbench.progress import Progress, silent

_READABLE = (32, 32)  # a JPEG is decoded no larger to tell whether it can be


@dataclass(frozen=True)
class Labelled:
    """Pictures, the name of each, the number of its class [n], and what the classes are called.

    ``notes`` say what was left out.
    """

    pictures: tuple[Picture, ...]
    ids: tuple[str, ...]
    classes: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def labelled(collection: Collection, progress: Progress = silent) -> Labelled:
    """A collection's pictures with two or more to their label; without labels, queries and their positives.

    A picture that answers several queries is left out, so is one that is alone with its label or unreadable.
    Raises WorkbenchError where no two classes are left.
    """
    found = _by_label(collection) or _by_query(collection)
    if not found:
        raise WorkbenchError(
            f"{collection.name!r} has no labels to learn from: open it with labels='folders' "
            "(--labels folders) where subfolders are labels, or give a labels.csv"
        )
    broken = _unreadable([picture for picture, _, _ in found], progress)
    found = [one for row, one in enumerate(found) if row not in broken]
    sizes = Counter(label for _, _, label in found)
    alone = sorted(label for label, size in sizes.items() if size == 1)
    names = sorted(label for label, size in sizes.items() if size > 1)
    if len(names) < 2:
        raise WorkbenchError(
            f"{collection.name!r} has {len(names)} labels with two or more readable images; "
            "two such labels or more are needed to tell them apart"
        )
    found = [one for one in found if sizes[one[2]] > 1]
    number = {label: n for n, label in enumerate(names)}
    notes = []
    if broken:
        notes.append(f"{len(broken)} images cannot be read and are left out")
    if alone:
        some = ", ".join(alone[:3]) + (" …" if len(alone) > 3 else "")
        notes.append(f"{len(alone)} labels have one image, which has nothing to match: left out ({some})")
    return Labelled(
        tuple(picture for picture, _, _ in found),
        tuple(image for _, image, _ in found),
        np.array([number[label] for _, _, label in found]),
        tuple(names),
        tuple(notes),
    )


def hold_out(data: Labelled, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows held out: of each class of four or more, a ``share``, two at least.

    Two always stay to be trained on. Raises WorkbenchError where no class is large enough.
    """
    rng = np.random.default_rng([seed, 1])
    held: list[int] = []
    for number in range(len(data.names)):
        rows = np.flatnonzero(data.classes == number)
        if len(rows) >= 4:
            count = min(max(2, round(share * len(rows))), len(rows) - 2)
            held += rng.permutation(rows)[:count].tolist()
    if not held:
        raise WorkbenchError(
            "no label has four or more images, so none can be held out and nothing tells when to stop; "
            "add images of some labels"
        )
    held_out = np.sort(held)
    return np.setdiff1d(np.arange(len(data.classes)), held_out), held_out


_Found = list[tuple[Picture, str, str]]


def _by_label(collection: Collection) -> _Found:
    return [(Picture(collection.path(image)), image, label) for image, label in collection.labels.items()]


def _by_query(collection: Collection) -> _Found:
    """Each query and its positives under the headline setting, labelled with the query's name."""
    if collection.protocol is None:
        return []
    protocol = collection.protocol
    positive = protocol.settings[protocol.headline][0]
    members = {
        query.id: [image for image, grade in collection.relevance[query.id].items() if grade in positive]
        for query in collection.queries
    }
    wanted = Counter(image for images in members.values() for image in images)
    found: _Found = []
    for query in collection.queries:
        box = query.box if protocol.crop_queries else None
        found.append((Picture(collection.path(query.image), box), query.image, query.id))
        for image in members[query.id]:
            if wanted[image] == 1 and image != query.image:
                found.append((Picture(collection.path(image)), image, query.id))
    return found


def _unreadable(pictures: list[Picture], progress: Progress) -> set[int]:
    def works(picture: Picture) -> bool:
        try:
            images.load(picture.path, picture.box, at_least=_READABLE)
        except WorkbenchError:
            return False
        return True

    broken = set()
    with ThreadPoolExecutor(4) as pool:
        try:
            for row, good in enumerate(pool.map(works, pictures)):
                progress("checking images", row, len(pictures))
                if not good:
                    broken.add(row)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not look at the rest
            raise
    return broken
