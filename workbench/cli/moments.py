"""The commands on the moments of videos: summary and events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import JSON, Opening, output_file
from workbench.cli.queries import PIPELINE
from workbench.collections.video.moment import clock
from workbench.common.files import write_output
from workbench.common.rounding import signed
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.bench.bench import Bench
    from workbench.collections.video.cue import Cue

OUT = Annotated[
    Path | None,
    typer.Option(help="also write a storyboard (.png), a cue sheet (.csv) or an edit list (.edl)"),
]


def summary(
    opening: Opening,
    video: Annotated[str | None, typer.Argument(help="a video of the collection; by default all")] = None,
    k: Annotated[int, typer.Option("-k", help="number of moments")] = 12,
    out: OUT = None,
    pipeline: PIPELINE = None,
    as_json: JSON = False,
) -> None:
    """Summarise a video, or all videos, by the k moments to which the others are most similar."""
    out = _cue_path(out)
    with progress_bar() as progress:
        bench = opening(progress)
        result = bench.videos.summary(video, k=k, pipeline=pipeline, progress=progress)
    title = f"Summary of {result.video or result.collection}"
    _write_cues(out, "summary", bench, result.cues, title, [result.sentence, result.pipeline])
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


def events(
    opening: Opening,
    query: Annotated[
        str, typer.Option(help='what happens: image:NAME + 0.5 text:"at night", an image, or a file')
    ],
    name: Annotated[str, typer.Option(help="a name for the event")] = "",
    min_seconds: Annotated[float, typer.Option(help="the least length of an event")] = 2.0,
    threshold: Annotated[
        float | None,
        typer.Option(help="the least smoothed score, in standard deviations; by default by all scores"),
    ] = None,
    recount: Annotated[
        int | None, typer.Option(help="also say what made the score of event N of the list, from 1")
    ] = None,
    out: OUT = None,
    pipeline: PIPELINE = None,
    as_json: JSON = False,
) -> None:
    """Detect when videos show what a query describes, as intervals with scores."""
    out = _cue_path(out)
    with progress_bar() as progress:
        bench = opening(progress)
        result = bench.videos.events(
            query, min_seconds, threshold, pipeline=pipeline, name=name, progress=progress
        )
        count = len(result.table)
        if recount is not None and not 1 <= recount <= count:
            raise WorkbenchError(
                f"--recount {recount}: there is no such event; "
                + (f"valid: 1 to {count}" if count else "none was detected, so give a lower --threshold")
            )
        why = None if recount is None else result.recount(recount - 1, progress=progress)
    _write_cues(out, "list of events", bench, result.cues, result.title, [result.sentence])
    if as_json:
        names = ("name", "query", "pipeline", "threshold", "min_seconds", "warnings")
        content_of = {key: getattr(result, key) for key in names}
        recounted = {} if why is None else {"recounting": why.table.to_dict("records")}
        print_json({**content_of, "events": result.table.to_dict("records"), **recounted})
        return
    rows = [
        [str(number), video, clock(start), clock(end), f"{score:.2f}", peak]
        for number, (video, start, end, score, peak) in enumerate(
            result.table.itertuples(index=False, name=None), start=1
        )
    ]
    columns = ["", "video", "from", "to", "score", "highest at"]
    print_table(f"Events {result.title}, {result.pipeline}", columns, rows)
    print_line(result.sentence)
    if why is not None:
        print_line(f"event {recount}: {why.sentence}")
        lines = [["  " * (line.kind == "part") + line.text, signed(line.shown)] for line in why.sum().lines()]
        print_table("", ["the score as a sum", "adds"], lines)
    print_notes(result.warnings)
    if out is not None:
        print_line(f"written to {out}")


def _cue_path(out: Path | None) -> Path | None:
    """The path of a file of cues. Raises WorkbenchError, before the long work, if it cannot be written."""
    if out is None:
        return None
    from workbench.report.cue_files import require_kind

    path = output_file(out)
    require_kind(path.suffix.lower())
    return path


def _write_cues(
    out: Path | None, kind: str, bench: Bench, cues: Sequence[Cue], title: str, lines: list[str]
) -> None:
    """Write cues to a file of the kind that its suffix names, if there is one."""
    if out is not None:
        from workbench.report.cue_files import cue_file

        write_output(out, cue_file(out.suffix.lower(), bench.collection, cues, title, lines), kind)
