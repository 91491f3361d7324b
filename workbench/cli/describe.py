"""The command that describes a collection, here or on a cluster."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from workbench.cli.console import print_json, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, Opening


def describe(
    opening: Opening,
    pipelines: Annotated[
        list[str], typer.Argument(help="pipelines, as in efficientnet_lite0/max/rmac:3/pcaw:256")
    ],
    as_json: JSON = False,
) -> None:
    """Extract and store the maps and descriptors of a collection, so that later commands need not."""
    records: list[dict[str, Any]] = []
    with progress_bar() as progress:
        bench = opening(progress)
        for config in [bench.engine.config(pipeline) for pipeline in pipelines]:
            described = bench.engine.describe(config, progress)
            vectors = described.descriptors.vectors
            records.append(
                {
                    "pipeline": str(described.config),
                    "collection": bench.collection.name,
                    "pictures": len(vectors),
                    "dimensions": vectors.shape[1],
                    "bytes": vectors.nbytes,
                    "seconds": described.seconds,
                    "warnings": described.source.notes,
                }
            )
        problems = len(bench.collection.problems)
    if as_json:
        print_json(records)
        return
    rows = [
        [
            str(record["pipeline"]),
            f"{record['pictures']:,}",
            f"{record['dimensions']:,}",
            f"{record['bytes'] / 1e6:,.1f} MB",
            f"{record['seconds']:.1f}",
        ]
        for record in records
    ]
    print_table(
        f"{bench.collection.name}: described", ["pipeline", "pictures", "numbers", "vectors", "seconds"], rows
    )
    unread = [f"{problems:,} files could not be read; see the report of the collection"] if problems else []
    print_notes([*unread, *(note for record in records for note in record["warnings"])])
