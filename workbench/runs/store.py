"""Stored runs: each evaluation is a row of a database, with its rankings in a file beside it.

The id of a run is a hash of everything that determines its numbers (collection, pipeline, weights, sizes,
seed, versions), so that a repeated evaluation updates its row. Each operation opens its own connection,
because callbacks arrive on any thread.
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.common.tables import Table
from workbench.common.text import parse_json
from workbench.config.errors import WorkbenchError
from workbench.engine.description import DescribedCollection
from workbench.engine.evaluate import Evaluation
from workbench.evaluation.comparison import Difference, paired_difference
from workbench.runs import database
from workbench.runs import rankings as run_rankings

_LISTED = ("id", "time", "collection", "pipeline", "protocol", "mean_ap", "seconds", "seed", "fingerprint")
_COLUMNS = (*_LISTED, "metrics", "per_query", "provenance", "warnings")
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


@dataclass(frozen=True)
class Run:
    """A stored evaluation. ``time`` is that of the last evaluation (UTC); ``seconds`` the duration of the
    longest, because a later one reads from the cache; ``fingerprint`` is that of the collection."""

    id: str
    time: str
    collection: str
    pipeline: str
    protocol: str
    mean_ap: float
    seconds: float
    seed: int
    fingerprint: str
    metrics: dict[str, float] = field(repr=False)
    per_query: pd.DataFrame = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)
    warnings: list[str] = field(repr=False)


@dataclass(frozen=True)
class RunDifference:
    """The differences between two runs: ``metrics`` (measure, a, b, difference), ``per_query`` APs of
    their common queries (query, a, b, difference; largest difference first), ``provenance`` (what,
    a, b; only different values), and the paired ``difference``."""

    a: Run
    b: Run
    metrics: pd.DataFrame = field(repr=False)
    per_query: pd.DataFrame = field(repr=False)
    provenance: pd.DataFrame = field(repr=False)
    difference: Difference


def database_path(cache: Path) -> Path:
    """The path of a cache's database."""
    return cache / "runs" / "runs.sqlite"


def save_run(
    cache: Path, described: DescribedCollection, evaluation: Evaluation, seconds: float
) -> Evaluation:
    """Store an evaluation and the first results of its rankings; returns it, with a warning if that failed.

    The evaluation is also returned if the disk is full or the cache cannot be written. A damaged database is
    moved aside, to a name given in the warning, and a new one is started.
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
    except (OSError, sqlite3.Error, WorkbenchError) as error:  # the timeout of a lock is an OSError
        warnings.append(f"this evaluation could not be stored in the history: {error}")
    return replace(evaluation, warnings=[*evaluation.warnings, *warnings]) if warnings else evaluation


def list_runs(cache: Path, collection: str | None = None) -> pd.DataFrame:
    """The runs of a cache, or of one collection in it, one row each, newest first.

    Columns: id, time (UTC), collection, pipeline, protocol, mean_ap (0…1), seconds, seed, fingerprint.
    """
    with database.reading(database_path(cache)) as connection:
        rows = connection.execute(f"SELECT {', '.join(_LISTED)} FROM runs ORDER BY time DESC").fetchall()
    table = Table(rows, columns=[*_LISTED]).astype({"mean_ap": float, "seconds": float, "seed": int})
    return table if collection is None else table[table["collection"] == collection].reset_index(drop=True)


def load(cache: Path, name: str) -> Run:
    """The only run whose id begins with ``name``. Raises WorkbenchError if there is none, or several."""
    with database.reading(database_path(cache)) as connection:
        rows = connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2", (len(name), name)
        ).fetchall()
    if len(rows) != 1 or not name:
        reason = "begins several ids; write more of it" if rows else "is not known; see bench.runs()"
        raise WorkbenchError(f"run {name!r} {reason}")
    row = dict(zip(_COLUMNS, rows[0], strict=True))
    for column in ("metrics", "per_query", "provenance", "warnings"):
        row[column] = parse_json(row[column])
    row["mean_ap"] = math.nan if row["mean_ap"] is None else row["mean_ap"]
    per_query = row["per_query"] = Table(row["per_query"])
    if "first_positive" in per_query:
        per_query["first_positive"] = per_query["first_positive"].astype("Int64")
    return Run(**row)


def load_rankings(cache: Path, run: Run) -> pd.DataFrame:
    """The first results of every query of a run: query, rank (from 1), image_id, score."""
    try:
        return run_rankings.read(_ranking_file(cache, run.id))
    except WorkbenchError as error:
        raise WorkbenchError(f"the rankings of run {run.id} ({run.pipeline}): {error}") from None


def diff(a: Run, b: Run) -> RunDifference:
    """Compare two runs. Raises WorkbenchError if their collections or protocols differ."""
    if (a.collection, a.protocol) != (b.collection, b.protocol):
        raise WorkbenchError(
            f"runs {a.id} and {b.id} are on {a.collection!r} with protocol {a.protocol} and on "
            f"{b.collection!r} with {b.protocol}: their numbers are not comparable; "
            "choose two runs on one collection"
        )
    measures = pd.DataFrame({"a": a.metrics, "b": b.metrics}, dtype=float).rename_axis("measure")
    aps = [run.per_query.set_index("query")["ap"].astype(float) for run in (a, b)]
    queries = pd.concat(aps, axis=1, keys=["a", "b"], join="inner").rename_axis("query")
    for table in (measures, queries):
        table["difference"] = table["b"] - table["a"]
    order = queries["difference"].abs().sort_values(ascending=False, kind="stable").index
    provenance = pd.DataFrame({"a": _flat(_facts(a)), "b": _flat(_facts(b))}, dtype=object).fillna("")
    return RunDifference(
        a,
        b,
        measures.reset_index(),
        queries.loc[order].reset_index(),
        provenance[provenance["a"] != provenance["b"]].rename_axis("what").reset_index(),
        paired_difference(queries["a"], queries["b"]),
    )


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
        metrics, longest = (parse_json(old[0]), old[1]) if old else ({}, 0.0)
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
            "provenance": _text(provenance),
            "warnings": _text(evaluation.warnings),
        }
        marks = ", ".join(f":{column}" for column in _COLUMNS)
        connection.execute(f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})", row)


def _ranking_file(cache: Path, name: str) -> Path:
    return cache / "runs" / "rankings" / f"{name}.parquet"


def _facts(run: Run) -> dict[str, Any]:
    """The provenance of a run, without the times, which differ between any two runs."""
    facts = {key: value for key, value in run.provenance.items() if key not in ("seconds", "timings")}
    whitenings = [
        {key: value for key, value in whitening.items() if key != "when"}
        for whitening in facts.get("whitening", ())
    ]
    return {"pipeline": run.pipeline, "fingerprint": run.fingerprint, **facts, "whitening": whitenings}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested dicts and lists to keys such as ``versions.torch``, with every value as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        inner = dict(enumerate(value)) if isinstance(value, tuple | list) else value
        flat |= _flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": str(value)}
    return flat


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, default=lambda scalar: math.nan if scalar is pd.NA else scalar.item())
