"""INRIA Holidays (Jégou, Douze and Schmid, ECCV 2008): ground truth from the numbers in file names."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.collections.collection import Collection, Query
from workbench.collections.folder import (
    SameLabel,
    existing_folder,
    index_by_stem,
    list_images,
    require_present,
    size_notes,
)
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import read_headers
from workbench.common.progress import Progress, silent

PUBLISHED = 1491


def open_holidays(root: Path, progress: Progress = silent, cache: Path | None = None) -> Collection:
    """Open the images ``NNNNNN.jpg`` below ``root``: ``NNNN00`` is the query of the group ``NNNN``.

    Raises WorkbenchError if there is no such image or the query of a group is missing.
    """
    root = existing_folder(root)
    names = [name for name in list_images(root)[0] if re.search(r"(^|/)\d{6}\.jpe?g$", name, re.IGNORECASE)]
    stems, copies = index_by_stem(root, names)
    groups: dict[str, list[str]] = {}
    for stem in sorted(stems):
        groups.setdefault(stem[:4], []).append(stems[stem])
    require_present("Holidays", (f"{group}00" for group in groups), stems, root)
    headers, broken = read_headers(root, stems.values(), progress, cache)
    queries = {stems[f"{group}00"]: (stems[f"{group}00"], group) for group in groups}
    return Collection(
        name="holidays",
        root=root,
        images=tuple(sorted(stems.values())),
        queries=tuple(Query(image, image) for image in queries),
        relevance=SameLabel(groups, queries),
        protocol=PROTOCOLS["holidays"],
        problems=copies,
        labels={stems[stem]: stem[:4] for stem in stems},
        notes=size_notes("Holidays", len(headers), PUBLISHED, len(broken)),
    ).without(broken)
