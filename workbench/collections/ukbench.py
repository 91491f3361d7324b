"""UKBench (Nistér and Stewénius, CVPR 2006): four views of each object, numbered consecutively."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.collections.collection import Collection, Query
from workbench.collections.folder import (
    existing_folder,
    index_by_stem,
    list_images,
    require_present,
    size_notes,
)
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import read_headers
from workbench.common.progress import Progress, silent

PUBLISHED = 10200


def open_ukbench(root: Path, progress: Progress = silent, cache: Path | None = None) -> Collection:
    """Open the images ``ukbenchNNNNN.jpg`` below ``root``; numbers 4n … 4n + 3 show one object.

    Every image is a query and one of its own four positives. Raises WorkbenchError if there is no such
    image or a view of an object is missing.
    """
    root = existing_folder(root)
    pattern = re.compile(r"(^|/)ukbench\d{5}\.jpe?g$", re.IGNORECASE)
    names = [name for name in list_images(root)[0] if pattern.search(name)]
    # The archive has the images in full/ and small copies with the same names beside it.
    names = [name for name in names if name.startswith("full/") or "/full/" in name] or names
    stems, copies = index_by_stem(root, names)
    objects = {stem: int(stem[-5:]) // 4 for stem in sorted(stems)}
    views = {n: [f"ukbench{4 * n + view:05d}" for view in range(4)] for n in dict.fromkeys(objects.values())}
    require_present("UKBench", (stem for four in views.values() for stem in four), stems, root)
    headers, broken = read_headers(root, stems.values(), progress, cache)
    positives = {n: dict.fromkeys((stems[stem] for stem in four), "positive") for n, four in views.items()}
    return Collection(
        name="ukbench",
        root=root,
        images=tuple(stems[stem] for stem in objects),
        queries=tuple(Query(stems[stem], stems[stem]) for stem in objects),
        relevance={stems[stem]: positives[n] for stem, n in objects.items()},
        protocol=PROTOCOLS["ukbench"],
        problems=copies,
        labels={stems[stem]: str(n) for stem, n in objects.items()},
        notes=size_notes("UKBench", len(headers), PUBLISHED, len(broken)),
    ).without(broken)
