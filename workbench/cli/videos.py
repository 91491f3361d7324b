"""The commands on videos."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.console import print_json, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, Opening
from workbench.cli.queries import PIPELINE


def copies(
    opening: Opening,
    video: Annotated[str, typer.Argument(help="a video of the collection, a name below it, or a file")],
    pipeline: PIPELINE = None,
    query_fps: Annotated[float, typer.Option(help="frames of VIDEO that are searched, a second")] = 1.0,
    min_score: Annotated[
        float | None, typer.Option(help="the lowest score: seconds of an unchanged copy")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Find the segments of the collection's videos that are copies of segments of VIDEO."""
    from workbench.collections.video.moment import clock
    from workbench.engine.copies import MIN_SCORE

    least = MIN_SCORE if min_score is None else min_score
    with progress_bar() as progress:
        bench = opening(progress)
        table = bench.copies(video, pipeline=pipeline, fps=query_fps, min_score=least, progress=progress)
    records = table.to_dict("records")
    if as_json:
        print_json(records)
        print_notes(table.attrs["warnings"], errors=True)
        return
    rows = [
        [
            f"{clock(row['query_start'])}–{clock(row['query_end'])}",
            str(row["video"]),
            f"{clock(row['start'])}–{clock(row['end'])}",
            f"{row['score']:.1f}",
        ]
        for row in records
    ]
    title = f"{bench.collection.name}: copies of {video}, {pipeline or bench.default_pipeline}"
    print_table(title, ["query", "video", "segment", "score"], rows)
    if not rows:
        print(f"no segment scores {least:g} or more; --min-score lowers that")
    print_notes(table.attrs["warnings"])
