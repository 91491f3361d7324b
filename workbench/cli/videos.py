"""Instance search in videos on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.cli.console import print_json, print_line, print_notes, print_table, progress_bar
from workbench.cli.options import Opening
from workbench.common.progress import Progress
from workbench.config.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.bench.bench import Bench
    from workbench.common.geometry import Box
    from workbench.engine.moment_evaluation import MomentEvaluation
    from workbench.engine.query_parts import SearchQuery

_GROUPS = {"shot": "shots", "video": "videos", "moment": "moments"}


def search_videos(
    opening: Opening,
    query: SearchQuery | None,
    text: str | None,
    box: Box | None,
    by: str,
    pipeline: str | None,
    k: int,
    as_json: bool,
) -> None:
    """Rank the shots, videos or moments of a collection, and print them."""
    from workbench.collections.video.moment import clock

    if by not in _GROUPS:
        raise WorkbenchError(f"--by {by!r} is not known; valid: {', '.join(_GROUPS)}")
    with progress_bar() as progress:
        bench = opening(progress)
        ranking = bench.videos.search(
            query,
            text=text,
            pipeline=pipeline,
            box=box,
            group=by,  # type: ignore[arg-type]  # one of the names, as checked
            k=k,
            progress=progress,
        )
    records = ranking.to_dict("records")
    if as_json:
        print_json(records)
        print_notes(ranking.attrs["warnings"], errors=True)
        return

    def time(seconds: float) -> str:
        return "" if math.isnan(seconds) else clock(seconds)

    rows = [
        [
            str(r["rank"]),
            f"{r['score']:.3f}",
            str(r["relevance"]),
            str(r["video"] or r["moment"]),
            time(r["start"]),
            *([] if by == "moment" else [time(r["end"]), str(r["moment"])]),
        ]
        for r in records
    ]
    times = ["time"] if by == "moment" else ["start", "end", "best moment"]
    used = "" if text is not None else f", {pipeline or bench.default_pipeline}"
    print_table(
        f"{bench.collection.name}: {_GROUPS[by]}{used}", ["rank", "score", "relevance", "video", *times], rows
    )
    print_notes(ranking.attrs["warnings"])


def evaluate_videos(bench: Bench, pipelines: Sequence[str], progress: Progress) -> list[MomentEvaluation]:
    """Instance search by each pipeline, if the ground truth knows where in videos objects appear."""
    from workbench.engine.moment_evaluation import has_appearances

    if not has_appearances(bench.collection):
        return []
    return [bench.videos.evaluate(pipeline, progress=progress) for pipeline in pipelines]


def print_videos(evaluations: Sequence[MomentEvaluation]) -> None:
    """A table of the measures of instance search; nothing without evaluations."""
    from workbench.evaluation.measures_text import percent
    from workbench.evaluation.moments import SHOTS

    if not evaluations:
        return
    rows = [
        [
            evaluation.pipeline,
            percent(evaluation.metrics["mAP_shots"]),
            percent(evaluation.metrics["mAP_videos"]),
            f"{evaluation.metrics['time_error']:.2f}",
            f"{evaluation.metrics['time_error_mean']:.2f}",
            percent(evaluation.metrics["near"]),
        ]
        for evaluation in evaluations
    ]
    first = evaluations[0]
    title = (
        f"Instance search: {first.moments:,} moments ({first.sampling}) of {first.shots:,} shots in "
        f"{first.videos:,} videos, {len(first.per_query):,} queries"
    )
    columns = ["pipeline", "mAP shots %", "mAP videos %", "time error s", "mean s", "within 1 s %"]
    print_table(title, columns, rows)
    print_line(f"{SHOTS.title}, AP by {SHOTS.variant}: {SHOTS.note}")
