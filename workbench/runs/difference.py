"""The differences between two stored runs, and whether they are on one collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.config.errors import WorkbenchError
from workbench.evaluation.comparison import Difference, paired_difference
from workbench.runs.run import Run


@dataclass(frozen=True)
class RunDifference:
    """The differences between two runs: ``metrics`` (measure, a, b, difference), ``per_query`` APs of
    their common queries (query, a, b, difference; largest difference first), ``provenance`` (what,
    a, b; only different values), and the paired ``difference``. ``notes`` say whether the runs are on one
    collection."""

    a: Run
    b: Run
    metrics: pd.DataFrame = field(repr=False)
    per_query: pd.DataFrame = field(repr=False)
    provenance: pd.DataFrame = field(repr=False)
    difference: Difference
    notes: list[str]


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
        _identity_notes(a, b),
    )


def _identity_notes(a: Run, b: Run) -> list[str]:
    """Say whether two runs of one name are on the same images and ground truth, and if not, why."""
    if a.fingerprint == b.fingerprint:
        return []
    if not a.root or not b.root:
        return [
            "the images or the ground truth of the two runs differ, and it is unknown whether they are of "
            f"one folder: run {(b if a.root else a).id} was stored by a version that did not record it"
        ]
    if a.root == b.root:
        return [f"the images or the ground truth in {a.root!r} have changed between the two runs"]
    return [
        f"the two runs are on different folders of the name {a.collection!r}, {a.root!r} and {b.root!r}: "
        "their numbers are not comparable"
    ]


def _facts(run: Run) -> dict[str, Any]:
    """The provenance of a run, without the times, which differ between any two runs."""
    facts = {key: value for key, value in run.provenance.items() if key not in ("seconds", "timings")}
    whitenings = [
        {key: value for key, value in whitening.items() if key != "when"}
        for whitening in facts.get("whitening", ())
    ]
    return {
        "pipeline": run.pipeline,
        "root": run.root,
        "fingerprint": run.fingerprint,
        **facts,
        "whitening": whitenings,
    }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested dicts and lists to keys such as ``versions.torch``, with every value as text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        inner = dict(enumerate(value)) if isinstance(value, tuple | list) else value
        flat |= _flat(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {f"{prefix}{key}": str(value)}
    return flat
