"""Evaluate search by text on a table of texts with their relevant images: ``text,label`` or ``text,path``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.collections.collection import Collection
from workbench.collections.lookup import image_at
from workbench.common.paths import shortened, user_path
from workbench.common.progress import Progress, silent
from workbench.common.tables import Table
from workbench.common.text import read_text
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.engine import Engine
from workbench.engine.text_search import text_scores, text_warnings
from workbench.evaluation.ties import TieGroups, expected_average_precision, expected_count_at

FIRST = 10  # results of which recall counts
_SHOWN = 3  # notes in the text of an evaluation


@dataclass(frozen=True, repr=False)
class TextEvaluation:
    """The measures of texts on a collection, as fractions 0…1.

    ``per_query`` has a row for each text: text, positives, ap (the mean precision at them), recall_10
    (positives among the first ten results, as a share of the most that there could be), and best_rank, from
    1, of a positive. ``mean_ap`` and ``recall`` are means over the texts. Images with equal scores count by
    their expectation over all orders.
    """

    collection: str
    mean_ap: float
    recall: float
    per_query: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        more = len(self.warnings) - _SHOWN
        return "\n".join(
            [
                f"{len(self.per_query):,} texts on {printable(self.collection)}",
                f"mAP {100 * self.mean_ap:.1f} %, recall among the first {FIRST}: {100 * self.recall:.1f} %",
                *(f"⚠ {warning}" for warning in self.warnings[:_SHOWN]),
                *([f"⚠ {more} more in .warnings"] if more > 0 else []),
            ]
        )


def evaluate_texts(
    engine: Engine, config: Config, file: Path | str | pd.DataFrame, progress: Progress = silent
) -> TextEvaluation:
    """Rank the collection for each text of a CSV or DataFrame, and measure the rankings.

    Its columns are ``text`` and either ``label``, whose images are relevant, or ``path``, that of a relevant
    image, relative to the collection's folder or absolute. A text may be in several rows. Raises
    WorkbenchError with the line of a bad row.
    """
    positives = relevant_images(engine.collection, file)
    rows: list[dict[str, object]] = []
    warnings: dict[str, None] = {}
    for done, (text, relevant) in enumerate(positives.items()):
        progress("ranking texts", done, len(positives))
        scores = text_scores(engine, config, text, progress)
        images = engine.collection.images
        wanted = np.array([image in relevant for image in images])
        rows.append({"text": text, **measures(scores, wanted)})
        warnings.update(dict.fromkeys(text_warnings(engine, config, text, progress)))
        if (lost := len(relevant) - int(wanted.sum())) > 0:
            warnings[f"{lost} of the images of {shortened(text)!r} could not be read"] = None
    table = pd.DataFrame(rows)
    return TextEvaluation(
        engine.collection.name,
        float(table["ap"].mean()),
        float(table["recall_10"].mean()),
        Table(table),
        tuple(warnings),
    )


def measures(scores: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The measures of one ranking, by the scores [N] of images and whether each is relevant [N]."""
    order = np.argsort(-scores, kind="stable")
    ranks = np.flatnonzero(wanted[order])
    if not len(ranks):
        return {"positives": 0, "ap": float("nan"), "recall_10": float("nan"), "best_rank": float("nan")}
    groups = TieGroups.of(ranks, scores[order])
    return {
        "positives": len(ranks),
        "ap": expected_average_precision(groups, len(ranks), "sum"),
        "recall_10": expected_count_at(groups, FIRST) / min(FIRST, len(ranks)),
        "best_rank": int(ranks[0]) + 1,
    }


def relevant_images(collection: Collection, file: Path | str | pd.DataFrame) -> dict[str, set[str]]:
    """The relevant images of each text of a table. Raises WorkbenchError with the line of a bad row."""
    name, content = _content(file)
    rows = csv.reader(io.StringIO(content))
    columns = [column.strip().casefold() for column in next(rows, [])]
    kinds = [column for column in ("label", "path") if column in columns]
    if "text" not in columns or len(kinds) != 1:
        raise WorkbenchError(
            f"{name} has the columns {', '.join(map(printable, columns)) or 'of an empty file'}; "
            "it needs text,label or text,path, separated by commas"
        )
    kind = kinds[0]
    images_of = _labelled(collection) if kind == "label" else {}
    if kind == "label" and not images_of:
        raise WorkbenchError(
            f"{collection.name!r} has no labels, which {name} names; open it with labels, or use text,path"
        )
    database = set(collection.images)
    relevant: dict[str, set[str]] = {}
    for line, text, value in _rows(rows, columns, kind, name):
        images = images_of.get(value)
        if kind == "path":
            image = value if value in database else image_at(collection, value)
            images = {image} if image in database else None
        if images is None:
            raise WorkbenchError(
                f"{name}, line {line}: {shortened(printable(value))!r} is not "
                f"{'a label' if kind == 'label' else 'an image'} of {collection.name!r}"
            )
        relevant.setdefault(text, set()).update(images)
    if not relevant:
        raise WorkbenchError(f"{name} has a header and no rows; add a row for each text")
    return relevant


def _content(file: Path | str | pd.DataFrame) -> tuple[str, str]:
    """The name of a table in messages, and its content as CSV."""
    if isinstance(file, pd.DataFrame):
        return "the table", file.to_csv(index=False)
    path = user_path(file, "table of texts")
    if not path.is_file():
        raise WorkbenchError(f"the table of texts {str(path)!r} is missing; check the path")
    return repr(str(path)), read_text(path)


def _rows(
    rows: Iterator[list[str]], columns: list[str], kind: str, name: str
) -> Iterator[tuple[int, str, str]]:
    """Yield (line, text, value) of each row that is not empty."""
    for line, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise WorkbenchError(
                f"{name}, line {line}: {len(row)} columns in place of {len(columns)}; "
                "quote a text that contains a comma"
            )
        cells = dict(zip(columns, map(str.strip, row), strict=True))
        for column in ("text", kind):
            if not cells[column]:
                raise WorkbenchError(f"{name}, line {line}: the {column} is empty")
        yield line, cells["text"], cells[kind]


def _labelled(collection: Collection) -> Mapping[str, set[str]]:
    """The images of each label. An image of several labels has them separated by a comma."""
    images: dict[str, set[str]] = {}
    for image, label in collection.labels.items():
        for name in {label, *label.split(", ")}:
            images.setdefault(name, set()).add(image)
    return images
