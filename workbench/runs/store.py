"""Stored runs: each evaluation is a row of a database, with its rankings in a file beside it.

The id of a run is a hash of everything that determines its numbers (collection, pipeline, weights, sizes,
seed, versions), so that a repeated evaluation updates its row. Each operation opens its own connection,
because callbacks arrive on any thread.
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.common.tables import Table
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.engine.description import DescribedCollection
from workbench.engine.evaluate import Evaluation
from workbench.runs import database
from workbench.runs import rankings as run_rankings
from workbench.runs.difference import RunDifference as RunDifference
from workbench.runs.difference import diff as diff
from workbench.runs.run import COLUMNS, LISTED, Run, listed, parsed

_DETERMINING = (
    "protocol",
    "ap_variant",
    "size",
    "precision",
    "device",
    "weights",
    "seed",
    "versions",
    "distractors",
)


def database_path(cache: Path) -> Path:
    """The path of a cache's database."""
    return cache / "runs" / "runs.sqlite"


def save_run(
    cache: Path, described: DescribedCollection, evaluation: Evaluation, seconds: float
) -> Evaluation:
    """Store an evaluation and the first results of its rankings; returns it, with a warning if that failed.

    Storing never costs an evaluation: it is also returned if the disk is full, or the cache is locked or
    cannot be written. A damaged database is moved aside, to a name given in the warning, and a new one is
    started.
    """
    warnings = []
    try:
        try:
            _write(cache, described, evaluation, seconds)
        except sqlite3.DatabaseError as error:
            if not database.damaged(error):
                raise
            if kept := database.move_aside(database_path(cache)):
                warnings.append(
                    f"the history was damaged ({error}): it is kept as {kept}, a new one was started"
                )
            _write(cache, described, evaluation, seconds)
    except Exception as error:  # of the system, SQLite, Arrow, or a damaged value of an earlier run
        reason = str(error) or type(error).__name__
        warnings.append(f"this evaluation could not be stored in the history: {reason}")
    return replace(evaluation, warnings=[*evaluation.warnings, *warnings]) if warnings else evaluation


def list_runs(cache: Path, collection: str | None = None) -> pd.DataFrame:
    """The runs of a cache, or of one collection in it, one row each, newest first.

    Columns: id, time (UTC), collection, pipeline, protocol, mean_ap (0…1), seconds, seed, fingerprint. Runs
    with damaged values are left out; ``attrs["damaged"]`` of the table lists their ids.
    """
    with database.reading(database_path(cache)) as connection:
        rows = connection.execute(f"SELECT {', '.join(LISTED)} FROM runs ORDER BY time DESC").fetchall()
    intact = [row for row in map(listed, rows) if row is not None]
    table = Table(intact, columns=[*LISTED]).astype({"mean_ap": float, "seconds": float, "seed": int})
    if collection is not None:
        table = table[table["collection"] == collection].reset_index(drop=True)
    table.attrs["damaged"] = [printable(str(row[0])) for row in rows if listed(row) is None]
    return table


def damage_notes(table: pd.DataFrame) -> list[str]:
    """The note on damaged runs that ``list_runs`` left out; none if there are none."""
    if not (damaged := table.attrs.get("damaged", [])):
        return []
    were = "1 run has" if len(damaged) == 1 else f"{len(damaged)} runs have"
    return [f"{were} damaged values and cannot be shown: {', '.join(damaged)}; evaluate the pipelines again"]


def load(cache: Path, name: str) -> Run:
    """The only run whose id begins with ``name``.

    Raises WorkbenchError if there is none, or several, or its values are damaged.
    """
    with database.reading(database_path(cache)) as connection:
        rows = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2", (len(name), name)
        ).fetchall()
    if len(rows) != 1 or not name:
        reason = "begins several ids; write more of it" if rows else "is not known; see bench.runs()"
        raise WorkbenchError(f"run {name!r} {reason}")
    row = dict(zip(COLUMNS, rows[0], strict=True))
    try:
        return parsed(row)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WorkbenchError(
            f"run {name!r} has damaged values and cannot be shown; evaluate {row['pipeline']!r} again"
        ) from None


def load_rankings(cache: Path, run: Run) -> pd.DataFrame:
    """The first results of every query of a run: query, rank (from 1), image_id, score."""
    try:
        return run_rankings.read(_ranking_file(cache, run.id))
    except WorkbenchError as error:
        raise WorkbenchError(f"the rankings of run {run.id} ({run.pipeline}): {error}") from None


def fingerprint(described: DescribedCollection) -> str:
    """A hash of a collection: of its image files, its queries and their relevance."""
    collection = described.collection
    files = zip(collection.images, described.keys[0], strict=False)  # keys begin with those of the database
    queries = [
        (query.id, query.image, query.box, sorted(collection.relevance[query.id].items()))
        for query in collection.queries
    ]
    return _hash([[*files], queries])


def _write(cache: Path, described: DescribedCollection, evaluation: Evaluation, seconds: float) -> None:
    provenance, collection_hash = evaluation.provenance, fingerprint(described)
    name = _hash([evaluation.pipeline, collection_hash, {key: provenance.get(key) for key in _DETERMINING}])
    with database.writing(database_path(cache)) as connection:
        old = connection.execute("SELECT metrics, seconds FROM runs WHERE id = ?", (name,)).fetchone()
        if old is None or not _ranking_file(cache, name).is_file():
            # Before the row, so that every row has its file.
            run_rankings.write(_ranking_file(cache, name), evaluation.rankings)
        metrics, longest = _earlier(old) if old else ({}, 0.0)
        row = {
            "id": name,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "collection": evaluation.collection,
            "pipeline": evaluation.pipeline,
            "protocol": evaluation.protocol,
            "mean_ap": evaluation.mean_ap,
            "seconds": max(seconds, longest),
            "seed": provenance["seed"],
            "fingerprint": collection_hash,
            "metrics": _text({**metrics, **evaluation.metrics}),  # localisation is not measured every time
            "per_query": _text(
                {name: column.to_numpy().tolist() for name, column in evaluation.per_query.items()}
            ),
            "provenance": _text({**provenance, "root": str(described.collection.root.absolute())}),
            "warnings": _text(evaluation.warnings),
        }
        marks = ", ".join(f":{column}" for column in COLUMNS)
        connection.execute(f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({marks})", row)


def _earlier(row: tuple[Any, Any]) -> tuple[dict[str, float], float]:
    """The measures and seconds of an earlier run; nothing of damaged ones."""
    try:
        seconds = float(row[1])
        return {**json.loads(row[0])}, seconds if math.isfinite(seconds) else 0.0
    except (ValueError, TypeError, RecursionError):
        return {}, 0.0


def _ranking_file(cache: Path, name: str) -> Path:
    return cache / "runs" / "rankings" / f"{name}.parquet"


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, default=lambda scalar: math.nan if scalar is pd.NA else scalar.item())
