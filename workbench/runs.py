"""Every evaluation is remembered: a row of a database, and its rankings in a file beside it.

What decides a run's numbers (collection, pipeline, weights, sizes, seed, versions) decides its id, so
that the same evaluated again renews its row instead of adding one. Each operation opens a connection
of its own, for callbacks come on any thread.
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

from workbench import run_database as database
from workbench import run_rankings
from workbench.config import WorkbenchError
from workbench.described import Ready
from workbench.evaluation.comparison import Difference, paired_difference
from workbench.judging import Evaluation

_LISTED = ("id", "time", "collection", "pipeline", "protocol", "mean_ap", "seconds", "seed", "fingerprint")
_COLUMNS = (*_LISTED, "metrics", "per_query", "provenance", "warnings")
_DECIDING = (
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
    """A remembered evaluation. ``time`` is when it was last made (UTC); ``seconds`` the longest it took,
    for what is stored by then costs nothing later; ``fingerprint`` that of the collection."""

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
    """What differs from run ``a`` to run ``b``: ``metrics`` (measure, a, b, difference), ``per_query`` APs
    of the queries that both have (query, a, b, difference; most different first), ``provenance`` (what,
    a, b: only what differs), and the paired ``difference``."""

    a: Run
    b: Run
    metrics: pd.DataFrame = field(repr=False)
    per_query: pd.DataFrame = field(repr=False)
    provenance: pd.DataFrame = field(repr=False)
    difference: Difference


def path(cache: Path) -> Path:
    """The database of a cache."""
    return cache / "runs" / "runs.sqlite"


def remember(cache: Path, ready: Ready, evaluation: Evaluation, seconds: float) -> Evaluation:
    """Keep an evaluation and the first results of its rankings; returns it, with a warning where that failed.

    A full disk or a cache that cannot be written never costs the evaluation. A damaged database is
    moved aside, under a name that the warning says, and a new one begun.
    """
    said = []
    try:
        try:
            _write(cache, ready, evaluation, seconds)
        except sqlite3.DatabaseError as error:
            if not database.damaged(error):
                raise
            if kept := database.move_aside(path(cache)):
                said.append(f"the history was damaged ({error}): it is kept as {kept}, a new one was begun")
            _write(cache, ready, evaluation, seconds)
    except (OSError, sqlite3.Error, WorkbenchError) as error:  # a lock that is not got is an OSError
        said.append(f"this evaluation could not be remembered: {error}")
    return replace(evaluation, warnings=[*evaluation.warnings, *said]) if said else evaluation


def list(cache: Path, collection: str | None = None) -> pd.DataFrame:
    """The runs of a cache, or of one collection of it, a row each, newest first.

    Columns: id, time (UTC), collection, pipeline, protocol, mean_ap (0…1), seconds, seed, fingerprint.
    """
    with database.reading(path(cache)) as connection:
        rows = connection.execute(f"SELECT {', '.join(_LISTED)} FROM runs ORDER BY time DESC").fetchall()
    table = pd.DataFrame(rows, columns=[*_LISTED]).astype({"mean_ap": float, "seconds": float, "seed": int})
    return table if collection is None else table[table["collection"] == collection].reset_index(drop=True)


def load(cache: Path, name: str) -> Run:
    """The run of that id, or of the only id that begins so."""
    with database.reading(path(cache)) as connection:
        found = connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2", (len(name), name)
        ).fetchall()
    if len(found) != 1 or not name:
        what = "begins several ids; write more of it" if found else "is not known; see bench.runs()"
        raise WorkbenchError(f"run {name!r} {what}")
    row = dict(zip(_COLUMNS, found[0], strict=True))
    for column in ("metrics", "per_query", "provenance", "warnings"):
        row[column] = json.loads(row[column])
    row["mean_ap"] = math.nan if row["mean_ap"] is None else row["mean_ap"]
    per_query = row["per_query"] = pd.DataFrame(row["per_query"])
    if "first_positive" in per_query:
        per_query["first_positive"] = per_query["first_positive"].astype("Int64")
    return Run(**row)


def rankings(cache: Path, run: Run) -> pd.DataFrame:
    """The first results of every query of a run: query, rank (from 1), image_id, score."""
    try:
        return run_rankings.read(_ranking_file(cache, run.id))
    except WorkbenchError as error:
        raise WorkbenchError(f"the rankings of run {run.id} ({run.pipeline}): {error}") from None


def diff(a: Run, b: Run) -> RunDifference:
    """What differs from run ``a`` to run ``b``. Raises WorkbenchError where their protocols differ."""
    if (a.collection, a.protocol) != (b.collection, b.protocol):
        raise WorkbenchError(
            f"runs {a.id} and {b.id} are of {a.collection!r} by {a.protocol} and of {b.collection!r} by "
            f"{b.protocol}: such numbers do not compare; choose two of one collection"
        )
    measures = pd.DataFrame({"a": a.metrics, "b": b.metrics}, dtype=float).rename_axis("measure")
    aps = [run.per_query.set_index("query")["ap"].astype(float) for run in (a, b)]
    queries = pd.concat(aps, axis=1, keys=["a", "b"], join="inner").rename_axis("query")
    for table in (measures, queries):
        table["difference"] = table["b"] - table["a"]
    order = queries["difference"].abs().sort_values(ascending=False, kind="stable").index
    about = pd.DataFrame({"a": _flat(_facts(a)), "b": _flat(_facts(b))}, dtype=object).fillna("")
    return RunDifference(
        a,
        b,
        measures.reset_index(),
        queries.loc[order].reset_index(),
        about[about["a"] != about["b"]].rename_axis("what").reset_index(),
        paired_difference(queries["a"], queries["b"]),
    )


def fingerprint(ready: Ready) -> str:
    """Of a collection: it changes with any image's file, with the queries and with what is relevant."""
    collection = ready.collection
    files = zip(collection.images, ready.keys[0], strict=False)  # the database comes first
    queries = [(q.id, q.image, q.box, sorted(collection.relevance[q.id].items())) for q in collection.queries]
    return _hash([[*files], queries])


def _write(cache: Path, ready: Ready, evaluation: Evaluation, seconds: float) -> None:
    about, whole = evaluation.provenance, fingerprint(ready)
    name = _hash([evaluation.pipeline, whole, {key: about.get(key) for key in _DECIDING}])
    with database.writing(path(cache)) as connection:
        old = connection.execute("SELECT metrics, seconds FROM runs WHERE id = ?", (name,)).fetchone()
        if old is None or not _ranking_file(cache, name).is_file():
            run_rankings.write(
                _ranking_file(cache, name), evaluation.rankings
            )  # first, so that no row lacks its file
        known, longest = (json.loads(old[0]), old[1]) if old else ({}, 0.0)
        row = {
            "id": name,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "collection": evaluation.collection,
            "pipeline": evaluation.pipeline,
            "protocol": evaluation.protocol,
            "mean_ap": evaluation.mean_ap,
            "seconds": max(seconds, longest),
            "seed": about["seed"],
            "fingerprint": whole,
            "metrics": _text({**known, **evaluation.metrics}),  # localisation is not measured every time
            "per_query": _text(
                {c: evaluation.per_query[c].to_numpy().tolist() for c in evaluation.per_query}
            ),
            "provenance": _text(about),
            "warnings": _text(evaluation.warnings),
        }
        marks = ", ".join(f":{column}" for column in _COLUMNS)
        connection.execute(f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})", row)


def _ranking_file(cache: Path, name: str) -> Path:
    return cache / "runs" / "rankings" / f"{name}.parquet"


def _facts(run: Run) -> dict[str, Any]:
    """What made a run, without what differs between any two."""
    about = {key: value for key, value in run.provenance.items() if key not in ("seconds", "timings")}
    fitted = [{k: v for k, v in one.items() if k != "when"} for one in about.get("whitening", ())]
    return {"pipeline": run.pipeline, "fingerprint": run.fingerprint, **about, "whitening": fitted}


def _flat(values: dict[str, Any], before: str = "") -> dict[str, str]:
    """Nested dicts as one, ``versions.torch`` and so on, every value as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        inner = dict(enumerate(value)) if isinstance(value, tuple | type([])) else value
        flat |= _flat(inner, f"{before}{key}.") if isinstance(inner, dict) else {f"{before}{key}": str(value)}
    return flat


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, default=lambda v: math.nan if v is pd.NA else v.item())
