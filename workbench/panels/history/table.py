"""Runs, and the difference of two runs, as table rows and text."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import pandas as pd

from workbench.evaluation.judged import queries_text
from workbench.evaluation.measures_text import descriptor_text, percent
from workbench.panels.formatting import time_left
from workbench.panels.widgets.region import Line, line
from workbench.panels.widgets.table import column
from workbench.runs import store

LISTED = [
    column("time", "Evaluated", hint="where the kernel runs; the newest first"),
    column("collection", "Collection"),
    column("pipeline", "Pipeline", code=True),
    column("mean_ap", "mAP %", number=True, hint="of the protocol's main setting", words=["mAP"]),
    column("seconds", "Took", number=True, hint="the longest so far: stored features cost nothing later"),
]
PAIRED = [column(*pair, number=True) for pair in (("a", "A"), ("b", "B"), ("difference", "B − A"))]


def evaluated(time: str) -> str:
    """A time in the time zone of the kernel."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"


def row(run: Any) -> dict[str, Any]:
    """A run as a row of the table."""
    return {
        "id": run.id,
        "cells": {
            "time": evaluated(run.time),
            "collection": run.collection,
            "pipeline": run.pipeline,
            "mean_ap": percent(run.mean_ap),
            "seconds": time_left(run.seconds),
        },
        "order": {"mean_ap": run.mean_ap, "seconds": run.seconds},
    }


def paired(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table with the columns name, a, b and difference."""
    rows = []
    for name, a, b, difference in table.itertuples(index=False, name=None):
        # The N-S score is a number of images, all other measures are fractions.
        number = "{:{sign}.2f}" if table.columns[0] == "measure" and name == "N-S" else "{:{sign}.1%}"
        values = {"a": a, "b": b, "difference": difference}
        numbers = {key: float(value) for key, value in values.items() if not pd.isna(value)}
        texts = {key: number.format(v, sign="+" if key == "difference" else "") for key, v in numbers.items()}
        shown = {key: texts.get(key, "–").removesuffix("%").replace("-", "−") for key in values}
        rows.append({"id": str(name), "cells": {"name": str(name), **shown}, "order": numbers})
    return rows


def made_by(run: store.Run) -> list[Line]:
    """The pipeline, provenance and warnings of a run."""
    about = defaultdict(lambda: "?", run.provenance)  # entries of a damaged run may be missing
    images = f"{about['images']:,}" if isinstance(about["images"], int) else about["images"]
    versions = about["versions"] if isinstance(about["versions"], dict) else {}
    facts = [
        f"{images} images, {_queries(run.provenance)} by {run.protocol}",
        descriptor_text(run.provenance),
        f"{about['size']} px, {about['precision']} on {about['device']}"
        + (f" by {about['runtime']}" if "runtime" in about else ""),
        f"seed {run.seed}, weights {about['weights']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    warnings = [line(warning, "warning") for warning in run.warnings]
    return [line(run.pipeline, "pipeline"), line(" · ".join(facts), "note"), *warnings]


def _queries(provenance: dict[str, Any]) -> str:
    try:
        return queries_text(provenance)
    except (KeyError, TypeError, ValueError):  # of a damaged run
        return "? queries"


def in_words(difference: store.RunDifference) -> list[Line]:
    """The difference of two runs, and what else differs between them."""
    a, b = difference.a, difference.b
    changed = [
        f"{what}: {before or '–'} → {after or '–'}"
        for what, before, after in difference.provenance.itertuples(index=False, name=None)
        if what != "pipeline"
    ]
    return [
        line(difference.difference.sentence("B"), "numbers"),
        line(f"A {a.pipeline} · {evaluated(a.time)}", "pipeline"),
        line(f"B {b.pipeline} · {evaluated(b.time)}", "pipeline"),
        line(f"Differs: {' · '.join(changed)}" if changed else "Nothing else differs.", "note"),
        *[line(note, "warning") for note in difference.notes],
    ]
