"""The command of stored evaluations: ``workbench runs``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workbench.cli.console import print_json, print_line, print_notes, print_table
from workbench.cli.options import CACHE, JSON, cache_folder
from workbench.config.printable import printable


def runs(
    collection: Annotated[str | None, typer.Argument(help="only runs on this collection")] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(help="compare two runs, by ids or the beginnings of ids", metavar="A B"),
    ] = None,
    as_json: JSON = False,
    cache: CACHE = None,
) -> None:
    """List earlier evaluations, newest first, or compare two of them."""
    from workbench.evaluation.measures_text import measure_value, percent
    from workbench.runs import store

    folder = cache_folder(cache)
    if diff:
        comparison = store.diff(*(store.load(folder, printable(name)) for name in diff))
        tables: dict[str, Any] = {
            "metrics": comparison.metrics,
            "per_query": comparison.per_query,
            "provenance": comparison.provenance,
        }
        if as_json:
            records = {name: table.to_dict("records") for name, table in tables.items()}
            print_json({**records, "notes": comparison.notes})
            return
        print_line(comparison.difference.sentence(f"{comparison.b.pipeline} ({comparison.b.id[:8]})"))
        measured = comparison.metrics.itertuples(index=False, name=None)
        measures = [[name, *(measure_value(name, value) for value in values)] for name, *values in measured]
        print_table("Measures, in percent", ["measure", "A", "B", "B - A"], measures)
        print_table("Provenance: differences", ["", "A", "B"], comparison.provenance.to_numpy().tolist())
        print_notes(comparison.notes)
        return
    table = store.list_runs(folder, None if collection is None else printable(collection))
    if as_json:
        print_json(table.to_dict("records"))
        return
    rows = [
        [run_id[:8], time[:16].replace("T", " "), name, pipeline, percent(mean_ap), f"{seconds:.1f}"]
        for run_id, time, name, pipeline, _, mean_ap, seconds, *_ in table.itertuples(index=False, name=None)
    ]
    print_table(f"Runs in {folder}", ["id", "time (UTC)", "collection", "pipeline", "mAP %", "seconds"], rows)
    print_notes(store.damage_notes(table))
