"""Oxford5k and Paris6k from their published ground-truth text files (Philbin et al., CVPR 2007, 2008)."""

from __future__ import annotations

import math
from pathlib import Path

from workbench.collections.collection import Collection, Query
from workbench.collections.folder import (
    existing_folder,
    index_by_stem,
    list_images,
    require_present,
    size_notes,
)
from workbench.collections.hidden_files import visible_files
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import read_headers
from workbench.collections.truth_files import truth_files
from workbench.common.geometry import Box
from workbench.common.progress import Progress, silent
from workbench.common.text import read_text
from workbench.config.errors import WorkbenchError

TITLES = {"oxford5k": "Oxford5k", "paris6k": "Paris6k"}
PUBLISHED = {"oxford5k": 5063, "paris6k": 6392}  # images; Paris without the 20 unreadable files below

# The unreadable files of the archive, left out by convention (corrupt.txt on the dataset's page).
_PARIS = """
    paris_louvre_000136 paris_louvre_000146 paris_moulinrouge_000422 paris_museedorsay_001059
    paris_notredame_000188 paris_pantheon_000284 paris_pantheon_000960 paris_pantheon_000974
    paris_pompidou_000195 paris_pompidou_000196 paris_pompidou_000201 paris_pompidou_000467
    paris_pompidou_000640 paris_sacrecoeur_000299 paris_sacrecoeur_000330 paris_sacrecoeur_000353
    paris_triomphe_000662 paris_triomphe_000833 paris_triomphe_000863 paris_triomphe_000867
"""
PARIS_UNREADABLE = frozenset(_PARIS.split())
_CONVENTION = "one of the archive's 20 unreadable files; left out by convention"


def open_oxford(root: Path, name: str, progress: Progress = silent, cache: Path | None = None) -> Collection:
    """Open ``oxford5k`` or ``paris6k``: images and ``*_{query,good,ok,junk}.txt`` anywhere below ``root``.

    The id of a query is that of its file, such as ``all_souls_1``. Raises WorkbenchError if the ground
    truth is missing or malformed, or if the image of a query or positive is missing.
    """
    root = existing_folder(root)
    truths = {path.name.removesuffix("_query.txt"): path for path in visible_files(root, "*_query.txt")}
    if not truths:
        raise WorkbenchError(
            f"no ground truth (*_query.txt) below {str(root)!r}; put it there, "
            f"or remove the folder and run: workbench fetch {name}"
        )
    recorded = truth_files(
        path.with_name(f"{truth}_{kind}.txt")
        for truth, path in truths.items()
        for kind in ("query", "good", "ok", "junk")
    )
    stems, copies = index_by_stem(root, list_images(root)[0])
    left_out = PARIS_UNREADABLE if name == "paris6k" else frozenset()
    named = {truth: _read(path, truth, left_out) for truth, path in truths.items()}
    needed = {
        stem
        for image, _, grades in named.values()
        for stem in (image, *(stem for stem, grade in grades.items() if grade != "junk"))
    }
    require_present(TITLES[name], needed, stems, root)

    junk = {stem for _, _, grades in named.values() for stem in grades} - stems.keys()
    problems = [(stem, "missing; junk in the ground truth") for stem in sorted(junk)]
    problems += [(image, _CONVENTION) for stem, image in stems.items() if stem in left_out]
    kept = {stem: image for stem, image in stems.items() if stem not in left_out}
    headers, broken = read_headers(root, kept.values(), progress, cache)
    return Collection(
        name=name,
        root=root,
        images=tuple(kept.values()),
        queries=tuple(Query(truth, stems[image], box) for truth, (image, box, _) in named.items()),
        relevance={
            truth: {stems[stem]: grade for stem, grade in grades.items() if stem in stems}
            for truth, (_, _, grades) in named.items()
        },
        protocol=PROTOCOLS["oxford"],
        problems=(*problems, *copies),
        notes=size_notes(TITLES[name], len(headers), PUBLISHED[name], len(broken)),
        truth_files=recorded,
    ).without(broken)


def _read(path: Path, truth: str, left_out: frozenset[str]) -> tuple[str, Box, dict[str, str]]:
    """The image of a query, its box and {image: grade}; images by file name without suffix."""
    words = _lines(path)
    try:
        (line,) = words
        image, *corners = line.split()
        x0, y0, x1, y1 = map(float, corners)
        if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
            raise ValueError
    except ValueError:
        raise WorkbenchError(
            f"{str(path)!r} is not one line of a query: name x0 y0 x1 y1; fetch the ground truth again"
        ) from None
    grades = {}
    for grade in ("junk", "ok", "good"):
        for stem in _lines(path.with_name(f"{truth}_{grade}.txt")):
            if stem not in left_out:
                grades[stem] = grade
    return image.removeprefix("oxc1_"), (x0, y0, x1, y1), grades


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path).splitlines()
    except WorkbenchError as error:
        raise WorkbenchError(f"{error}; or fetch the ground truth again") from None
    return [line.strip() for line in lines if line.strip()]
