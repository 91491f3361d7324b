"""The image of a collection that a path names, however the path is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from workbench.collections.collection import Collection
from workbench.collections.video.moment import DECIMALS, moment_of
from workbench.common.paths import find_file


def image_at(collection: Collection, path: str | Path) -> str | None:
    """The id of the image at a path: an id, or a file of the collection; None for anything else.

    The path may be relative, contain ``..`` and links, or differ from the file's name in its case or in its
    Unicode form, if that fits only one file.
    """
    text = str(path)
    if text in collection.members:
        return text
    if (moment := moment_of(Path(text))) is not None:
        # As the file of the video, with the time as ids have it.
        candidates = [f"{name}#t={moment.seconds:.{DECIMALS}f}" for name in _videos(collection, moment.file)]
        return next((name for name in candidates if name in collection.members), None)
    try:
        given = Path(os.path.abspath(os.path.expanduser(text)))
        file = find_file(given)
        if file is None:
            return None
        for candidate in dict.fromkeys([given, file, Path(os.path.realpath(file))]):
            for image in _names(collection, candidate):
                if image in collection.members:
                    return image
        status = file.stat()
        linked = collection.files.get((status.st_dev, status.st_ino))
        # The number of a deleted file may have been given to another.
        return linked if linked and os.path.samefile(collection.path(linked), file) else None
    except (OSError, ValueError):
        return None


def images_at(collection: Collection, file: Path) -> list[str]:
    """The ids of the database's images whose path is that of a file, in order."""
    names = dict.fromkeys(_names(collection, Path(os.path.abspath(file))))
    same = (name for name in names if name in collection.rows and collection.path(name) == file)
    return sorted(same, key=collection.rows.__getitem__)


def video_at(collection: Collection, path: str) -> str | None:
    """The name of the video of the database at a path: its name, or its file; None for anything else."""
    return next((name for name in _videos(collection, Path(path)) if name in collection.videos), None)


def _videos(collection: Collection, video: Path) -> Iterator[str]:
    """The ids that a video would have, without the time, given as an id or as a file."""
    yield str(video)
    given = Path(os.path.abspath(os.path.expanduser(str(video))))
    file = find_file(given)
    if file is not None:
        for candidate in dict.fromkeys([given, file, Path(os.path.realpath(file))]):
            yield from _names(collection, candidate)


def _names(collection: Collection, file: Path) -> Iterator[str]:
    """The ids that a file would have below each root."""
    for top, root in {"": collection.root, **collection.elsewhere}.items():
        for folder in dict.fromkeys([os.path.abspath(root), os.path.realpath(root)]):
            if file.is_relative_to(folder):
                name = file.relative_to(folder).as_posix()
                yield f"{top}/{name}" if top else name
