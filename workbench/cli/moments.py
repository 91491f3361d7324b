"""The commands on the moments of videos: summary and events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, Opening, output_file
from workbench.cli.queries import PIPELINE
from workbench.collections.video.moment import clock
from workbench.common.files import write_output


def summary(
    opening: Opening,
    video: Annotated[str | None, typer.Argument(help="a video of the collection; by default all")] = None,
    k: Annotated[int, typer.Option("-k", help="number of moments")] = 12,
    out: Annotated[
        Path | None,
        typer.Option(help="also write a storyboard (.png), a cue sheet (.csv) or an edit list (.edl)"),
    ] = None,
    pipeline: PIPELINE = None,
    as_json: JSON = False,
) -> None:
    """Summarise a video, or all videos, by the k moments to which the others are most similar."""
    if out is not None:
        from workbench.report.cue_files import cue_file, require_kind

        out = output_file(out)
        require_kind(out.suffix.lower())
    with progress_bar() as progress:
        bench = opening(progress)
        result = bench.videos.summary(video, k=k, pipeline=pipeline, progress=progress)
    title = f"Summary of {result.video or result.collection}"
    if out is not None:
        content = cue_file(
            out.suffix.lower(), bench.collection, result.cues, title, [result.sentence, result.pipeline]
        )
        write_output(out, content, "summary")
    if as_json:
        moments = [cue._asdict() for cue in result.cues]
        names = ("video", "pipeline", "coverage", "bound", "guarantee", "warnings")
        content_of = {name: getattr(result, name) for name in names}
        print_json({**content_of, "moments": moments, "table": result.table.to_dict("records")})
        return
    rows = [
        [str(number), cue.video, clock(cue.start), clock(cue.end), cue.moment]
        for number, cue in enumerate(result.cues, start=1)
    ]
    print_table(f"{title}, {result.pipeline}", ["", "video", "from", "to", "moment"], rows)
    print_line(result.sentence)
    last = result.table.iloc[-1]
    others = f"uniform in time {100 * last['uniform']:.1f} %, k-means {100 * last['k_means']:.1f} %"
    print_line(f"as many moments {others}")
    print_notes(result.warnings)
    if out is not None:
        print_line(f"written to {out}")
