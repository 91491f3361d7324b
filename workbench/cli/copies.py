"""The commands that find copies: of a video, and among images."""

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


def duplicates(
    opening: Opening,
    pipeline: PIPELINE = None,
    bits: Annotated[
        int | None, typer.Option(help="bits of 64 in which the hashes of a pair may differ")
    ] = None,
    as_json: JSON = False,
) -> None:
    """List groups of near-duplicates, with the best copy of each; nothing is deleted."""
    import pandas as pd

    from workbench.analysis.duplicates import BITS

    most = BITS if bits is None else bits
    with progress_bar() as progress:
        bench = opening(progress)
        table = bench.studies.duplicates(pipeline, bits=most, progress=progress)
    records = [
        {**row, "inliers": None if row["inliers"] is pd.NA else row["inliers"]}
        for row in table.to_dict("records")
    ]
    if as_json:
        print_json(records)
        print_notes(table.attrs["warnings"], errors=True)
        return
    rows = [
        [
            str(row["group"]),
            "best" if row["best"] else "",
            f"{row['width']}x{row['height']}",
            str(row["bytes"]),
            "" if row["best"] else str(row["bits"]),
            "" if row["best"] else f"{row['cosine']:.3f}",
            "" if row["inliers"] is None else str(row["inliers"]),
            "mirrored" if row["mirrored"] else "",
            str(row["image_id"]),
        ]
        for row in records
    ]
    about = table.attrs
    copies_count = len(rows) - about["groups"]
    title = (
        f"{bench.collection.name}: {about['images']} images, {about['groups']} groups, {copies_count} copies"
    )
    print_table(title, ["group", "", "size", "bytes", "bits", "cosine", "inliers", "", "image"], rows)
    print_notes(table.attrs["warnings"])
