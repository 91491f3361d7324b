"""Collections from a table of labelled images, a CSV or a DataFrame: ``path,label[,split][,x0,y0,x1,y1]``."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workbench.collections.collection import Collection, Query
from workbench.collections.folder import SameLabel
from workbench.collections.folder_labels import only_image
from workbench.collections.images import value_notes
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import read_headers
from workbench.collections.truth_files import TruthFile, truth_files
from workbench.common.geometry import Box
from workbench.common.paths import Listings, find_file, user_path
from workbench.common.progress import Progress, silent
from workbench.common.text import read_text
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable

if TYPE_CHECKING:
    import pandas as pd

_CORNERS = ("x0", "y0", "x1", "y1")
_SPLITS = ("query", "database", "both")
_HINT = "; separate the columns by commas, not by semicolons or tabs"


class _Row(NamedTuple):
    line: int
    path: str  # absolute
    label: str
    split: str
    box: Box | None


def open_csv(path: Path, progress: Progress = silent, cache: Path | None = None) -> Collection:
    """Read a CSV with the columns ``path,label`` and, optionally, ``split`` and a query box.

    ``split`` is ``query``, ``database`` or ``both`` (default); the box ``x0,y0,x1,y1`` is in pixels
    of the upright image and may be empty. Paths are absolute or relative to the CSV. An image may be
    in several rows, with several boxes or labels; an image with an empty label is a distractor. Ids are
    relative to the CSV's folder or, if a path leads out of it, to the nearest common folder.
    Raises WorkbenchError with the line of a bad row; missing and damaged images are listed in the report.
    """
    path = Path(os.path.abspath(user_path(path, "collection")))
    recorded = truth_files([path])
    return _open(path, read_text(path), [path.parent], recorded, progress, cache)


def open_table(table: pd.DataFrame, progress: Progress = silent, cache: Path | None = None) -> Collection:
    """As ``open_csv``, from a DataFrame; paths are absolute, or relative to the current folder.

    Ids are relative to the nearest common folder of the images. The collection's name is
    ``table.attrs["name"]`` (default: ``table``).
    """
    name = str(table.attrs.get("name", "table")).replace("/", "-")
    return _open(Path.cwd() / name, table.to_csv(index=False), [], (), progress, cache)


def _open(
    path: Path,
    text: str,
    above: list[Path],
    recorded: tuple[TruthFile, ...],
    progress: Progress,
    cache: Path | None,
) -> Collection:
    rows = list(_rows(path, text))
    if not rows:
        raise WorkbenchError(f"{str(path)!r} has a header and no rows; add a row for each image")
    try:
        root = Path(os.path.commonpath({*map(str, above), *(os.path.dirname(row.path) for row in rows)}))
    except ValueError:
        raise WorkbenchError(f"{str(path)!r}: its images are on several drives; move them to one") from None
    above_names = len(os.path.join(root, ""))
    ids = {row.path: row.path[above_names:].replace(os.sep, "/") for row in rows}
    headers, problems = read_headers(root, dict.fromkeys(ids.values()), progress, cache)

    unread = _unread_rows(rows, ids, headers)
    groups: dict[str, dict[str, None]] = {}
    labels: dict[str, dict[str, None]] = {}
    database: dict[str, None] = {}
    rows = [row for row in rows if ids[row.path] in headers]
    for row in rows:
        image = ids[row.path]
        if row.label:
            labels.setdefault(image, {})[row.label] = None
        if row.split != "query":
            database[image] = None
            if row.label:
                groups.setdefault(row.label, {})[image] = None

    if not database:
        raise WorkbenchError(
            f"{str(path)!r} has no database image; give some rows the split database or both"
        )

    lost = {label: len(images) for label, images in unread.positives.items()}
    unjudged = {image: f"its image cannot be read: {dict(problems)[image]}" for image in unread.queries}
    queries: dict[str, tuple[str, str]] = {}
    boxes: dict[str, Box | None] = {}
    only: dict[str, str] = {}
    seen: set[tuple[str, str, Box | None]] = set()
    for row in rows:
        image = ids[row.path]
        # As in a folder, the only image of its label is a distractor and not a query.
        alone = row.split == "both" and len(groups.get(row.label, ())) < 2
        if row.split == "database" or not row.label or (image, row.label, row.box) in seen:
            continue
        if alone:
            only.setdefault(image, only_image(lost.get(row.label, 0)))
            continue
        header = headers[image]
        if row.box is not None and not (
            row.box[0] < header.width and row.box[1] < header.height and row.box[2] > 0 and row.box[3] > 0
        ):
            raise WorkbenchError(
                f"{str(path)!r}, line {row.line}: the box is outside the image, "
                f"which is {header.width}x{header.height} pixels"
            )
        seen.add((image, row.label, row.box))
        query = _unused_name(image, queries)
        queries[query] = image, row.label
        boxes[query] = row.box
    unjudged |= {_unused_name(image, queries): reason for image, reason in only.items()}
    protocol = replace(PROTOCOLS["labels"], crop_queries=any(box is not None for box in boxes.values()))
    return Collection(
        name=printable(path.stem if path.suffix.lower() == ".csv" else path.name),
        root=root,
        images=tuple(database),
        queries=tuple(Query(query, image, boxes[query]) for query, (image, _) in queries.items()),
        relevance=SameLabel(groups, queries),
        protocol=protocol if queries or unjudged else None,
        problems=problems,
        notes=value_notes({image: headers[image] for image in database}),
        labels={image: ", ".join(names) for image, names in labels.items()},
        unjudged=unjudged,
        unread_positives={query: lost[label] for query, (_, label) in queries.items() if label in lost},
        truth_files=recorded,
    )


class _Unread(NamedTuple):
    """The images of rows that cannot be read: those of queries, and of the database by their label."""

    queries: list[str]
    positives: dict[str, dict[str, None]]


def _unread_rows(rows: list[_Row], ids: Mapping[str, str], headers: Container[str]) -> _Unread:
    unread = _Unread([], {})
    for row in rows:
        image = ids[row.path]
        if image in headers or not row.label:
            continue
        if row.split != "database":
            unread.queries.append(image)
        if row.split != "query":
            unread.positives.setdefault(row.label, {})[image] = None
    return unread


def _unused_name(image: str, taken: Mapping[str, object]) -> str:
    name, number = image, 1
    while name in taken:
        number += 1
        name = f"{image}#{number}"
    return name


def _rows(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    listings: Listings = {}
    folder = str(path.parent)
    columns: list[str] | None = None
    try:
        for values in reader:
            if not "".join(values).strip():
                continue  # a blank line, or the empty rows at the end of a spreadsheet
            if columns is None:
                columns = [value.strip().lower() for value in values]
                _check_columns(path, columns)
                continue
            try:
                yield _row(folder, columns, values, reader.line_num, listings)
            except WorkbenchError as error:
                raise WorkbenchError(f"{str(path)!r}, line {reader.line_num}: {error}") from None
    except csv.Error as error:
        raise WorkbenchError(f"{str(path)!r}, line {reader.line_num}: {error}; correct the quotes") from None
    if columns is None:
        _check_columns(path, [])


def _check_columns(path: Path, columns: list[str]) -> None:
    missing = [column for column in ("path", "label") if column not in columns]
    if missing:
        hint = _HINT if _other_separator(columns) else "; name the columns in its first line"
        raise WorkbenchError(f"{str(path)!r} has no column {' and no column '.join(missing)}{hint}")
    repeated = [column for column in ("path", "label", "split", *_CORNERS) if columns.count(column) > 1]
    if repeated:
        raise WorkbenchError(f"{str(path)!r} has the column {repeated[0]} twice; keep one")
    box = [column for column in _CORNERS if column in columns]
    if box and len(box) < 4:
        raise WorkbenchError(f"{str(path)!r} has only {', '.join(box)}; a box has the columns x0,y0,x1,y1")


def _other_separator(values: list[str]) -> bool:
    return any(";" in value or "\t" in value for value in values)


def _row(folder: str, columns: list[str], values: list[str], line: int, listings: Listings) -> _Row:
    if len(values) != len(columns):
        raise WorkbenchError(
            "it has more or fewer values than the header; quote values that contain commas"
            + (_HINT if _other_separator(values) else "")
        )
    text = dict(zip(columns, map(str.strip, values), strict=True))
    if not text["path"] or "\0" in text["path"]:
        raise WorkbenchError("the path is empty or not text; name an image file")
    split = text.get("split") or "both"
    if split not in _SPLITS:
        raise WorkbenchError(f"split {split!r} is not known; valid: {', '.join(_SPLITS)}")
    if split == "query" and not text["label"]:
        raise WorkbenchError("a query needs a label, which determines its positives")
    absolute = os.path.normpath(os.path.join(folder, os.path.expanduser(text["path"])))
    if not os.path.lexists(absolute):
        absolute = str(find_file(Path(absolute), listings) or absolute)
    box = _box([text[corner] for corner in _CORNERS]) if "x0" in text else None
    return _Row(line, absolute, text["label"], split, box)


def _box(corners: list[str]) -> Box | None:
    if not any(corners):
        return None
    try:
        x0, y0, x1, y1 = (float(corner) for corner in corners)
    except ValueError:
        raise WorkbenchError(f"the box {','.join(corners)} is not four numbers x0,y0,x1,y1") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
        box = ",".join(corners)
        raise WorkbenchError(f"the box {box} is empty; x1 must be greater than x0, and y1 greater than y0")
    return x0, y0, x1, y1
